"""What the vault promises."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragtrace.errors import ConfigError, StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Store, Vault, vault_key
from ragtrace.store._keyring import Keyring
from tests.engine import KEY, content, engine_directory, flow, fresh_url, span, store

__all__ = ["store"]  # the fixture


def test_texts_are_sealed_on_disk_and_open_again(store: Store) -> None:
    """What was kept comes back, also from a reopened store; the rest is left out."""
    texts = ["staff only: waive the fee 🙂", "", "a\0b" * 5000]
    store.write([], [content(text) for text in texts])
    assert store.texts([*map(digest, texts), "0" * 64], access=OWNER) == {
        digest(t): t for t in texts
    }
    assert "staff only" not in repr(store.stats(access=OWNER))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """An empty one."""
    opened = Vault(Keyring(tmp_path / "keys" / "ragtrace.keyring", KEY, create=True))
    yield opened
    opened.close()


def _on_disk(directory: Path, needle: bytes) -> list[str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    try:
        return [path.name for path in files if needle in path.read_bytes()]
    except FileNotFoundError:  # the engine has merged it into another, which is there now
        return _on_disk(directory, needle)


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no-key"])
def test_no_text_is_on_disk_in_the_clear(key: bytes | None) -> None:
    """With a key or without, no file under the store's directory has the words."""
    opened = Store.open(fresh_url(), key)
    secret = f"xylophone-quartz-{key is None}"
    opened.write([span(1, flow(0, rule="marker-rule"))], [content(secret)])
    assert opened.keeps_text is (key is not None)
    assert opened.texts([digest(secret)], access=OWNER) == ({digest(secret): secret} if key else {})
    assert opened.stats(access=OWNER).contents == 1
    opened.close()
    assert not _on_disk(engine_directory(), secret.encode())


def test_a_text_is_not_lost_to_a_writer_without_the_key() -> None:
    """The digest alone, sent later, does not replace the sealed text."""
    url = fresh_url()
    with_key, without = Store.open(url, KEY), Store.open(url)
    with_key.write([], [content("kept")])
    without.write([], [content("kept")])
    assert with_key.texts([digest("kept")], access=OWNER) == {digest("kept"): "kept"}
    with pytest.raises(StoreError, match="without the key"):
        without.texts([digest("kept")], access=OWNER)
    assert without.stats(access=OWNER).texts == 1
    with_key.close()
    without.close()


def test_a_wrong_key_is_refused_at_the_door() -> None:
    """A store of sealed texts does not open with another key, nor with half a key."""
    url = fresh_url()
    opened = Store.open(url, KEY)
    opened.write([], [content("kept")])
    opened.close()
    with pytest.raises(StoreError, match="another key"):
        Store.open(url, b"x" * 32)
    with pytest.raises(StoreError, match="32 bytes"):
        Store.open(url, b"x" * 16)


@pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"kind": "prompt"}, {"level": "public"}])
def test_a_text_opens_only_as_what_it_was_sealed_as(vault: Vault, change: dict[str, str]) -> None:
    """Nobody can move a sealed text under another digest or a lower level."""
    record = content("fee table")
    (key,) = vault.keys([record])
    sealed = vault.seal(record, key)
    right = {"digest": record.digest, "kind": record.kind, "level": record.level, "key": key.id}
    assert vault.open(sealed, **right) == "fee table"
    assert vault.seal(record, key) != sealed
    with pytest.raises(StoreError, match="changed"):
        vault.open(sealed, **right | change)
    for broken in (b"", b"\x01" + sealed[1:], sealed[:8], sealed[:-1]):
        with pytest.raises(StoreError):
            vault.open(broken, **right)


def test_the_key_is_read_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """The variable before the file, neither is no key, and a bad one is never repeated."""
    text = base64.b64encode(KEY).decode()
    file = tmp_path / "vault.key"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    assert vault_key({}) is None
    assert vault_key({"RAGTRACE_VAULT_KEY": text}) == KEY
    assert vault_key({"RAGTRACE_VAULT_KEY_FILE": str(file)}) == KEY
    for environ in (
        {"RAGTRACE_VAULT_KEY": "c2VjcmV0"},
        {"RAGTRACE_VAULT_KEY": "c2VjcmV0!"},
        {"RAGTRACE_VAULT_KEY_FILE": str(tmp_path / "missing")},
    ):
        with pytest.raises(ConfigError) as refused:
            vault_key(environ)
        assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file is its owner's alone; what to do is said, the key is not."""
    file = tmp_path / "vault.key"
    file.write_text(base64.b64encode(KEY).decode())
    file.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        vault_key({"RAGTRACE_VAULT_KEY_FILE": str(file)})
