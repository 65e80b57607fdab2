"""What the root key promises: where it comes from, and that it can be another one."""

from __future__ import annotations

import base64
import shutil
import sys
from pathlib import Path

import pytest

from ragtrace.errors import ConfigError, StoreError
from ragtrace.model import digest
from ragtrace.store import OWNER, Store, has_vault_key, vault_key
from ragtrace.store import _root as root
from ragtrace.store._keyring import Keyring
from ragtrace.store._keyring_file import KeyringFile
from tests.engine import KEY, content, fresh_url, keyring_of

NEW = bytes(reversed(KEY))
TEXT = base64.b64encode(KEY).decode()


def _command(tmp_path: Path, script: str) -> str:
    """A command that needs its arguments to be told apart as a shell would."""
    file = tmp_path / "a key service.py"
    file.write_text(script)
    return f"{sys.executable} '{file}' --key 'alias/rag trace'"


def _from(tmp_path: Path, script: str, **more: str) -> bytes | None:
    return vault_key({"RAGTRACE_VAULT_KEY_COMMAND": _command(tmp_path, script), **more})


def test_a_command_says_the_key(tmp_path: Path) -> None:
    """Its words are told apart without a shell, and it is run only where the key is asked for."""
    marker = tmp_path / "ran"
    script = f"import sys; open({str(marker)!r}, 'a').write('x'); print({TEXT!r})"
    environ = {"RAGTRACE_VAULT_KEY_COMMAND": _command(tmp_path, script)}
    assert has_vault_key(environ) and not marker.exists()
    assert vault_key(environ) == KEY
    assert marker.read_text() == "x"
    assert not has_vault_key({})
    assert (
        _from(tmp_path, f"import sys; print({TEXT!r} * (sys.argv[2] == 'alias/rag trace'))") == KEY
    )


def test_a_command_unwraps_what_is_in_the_file(tmp_path: Path) -> None:
    """It is given that, and says what it is when it is open."""
    file = tmp_path / "wrapped"
    file.write_bytes(base64.b64encode(KEY)[::-1])
    script = "import sys; print(sys.stdin.read()[::-1])"
    assert _from(tmp_path, script, RAGTRACE_VAULT_KEY_FILE=str(file)) == KEY


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; print('hunter2'); sys.exit('hunter2')", "exit status 1"),
        ("print('hunter2')", "expected base64 of 32 bytes"),
        ("print()", "expected base64 of 32 bytes"),
        ("import os; os.write(1, b'hunter2' + bytes(range(256)))", "expected base64 of 32 bytes"),
        ("import time; print('hunter2', flush=True); time.sleep(60)", "not done after 2 seconds"),
    ],
)
def test_a_command_that_fails_is_named_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """Neither what it says nor what it complains of is repeated."""
    monkeypatch.setattr(root, "COMMAND_SECONDS", 2.0)
    with pytest.raises(ConfigError) as refused:
        _from(tmp_path, script)
    assert str(refused.value).startswith("RAGTRACE_VAULT_KEY_COMMAND: ")
    assert said in str(refused.value) and "hunter2" not in str(refused.value)


@pytest.mark.parametrize("command", ["/no/such/program", "'unclosed", " "])
def test_a_command_that_cannot_be_run_is_refused(command: str) -> None:
    """With what was wrong."""
    with pytest.raises(ConfigError, match="RAGTRACE_VAULT_KEY_COMMAND: cannot be run"):
        vault_key({"RAGTRACE_VAULT_KEY_COMMAND": command})


def test_a_new_root_key_wraps_the_keyring_and_old_texts_open() -> None:
    """The old one opens nothing any more; what is sealed is not touched."""
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("before", subject="user:a")])
        name = opened._vault and opened._vault.pseudonym("user", "a")
        assert opened.rotate(NEW) > 3
        opened.write([], [content("after", subject="user:b")])
        rows = opened.texts(map(digest, ("before", "after")), access=OWNER)
        assert set(rows.values()) == {"before", "after"}
    with pytest.raises(StoreError, match="wrapped with another key"):
        Store.open(url, KEY)
    with Store.open(url, NEW) as opened:
        rows = opened.texts(map(digest, ("before", "after")), access=OWNER)
        assert set(rows.values()) == {"before", "after"}
        assert opened._vault is not None and opened._vault.pseudonym("user", "a") == name


def test_who_has_the_old_root_key_writes_nothing_with_it(tmp_path: Path) -> None:
    """A process that goes on after a rotation is told to be started again."""
    path = tmp_path / "ragtrace.keyring"
    with Keyring(path, KEY, create=True) as old, Keyring(path, KEY, create=True) as other:
        old.keys([("user:a", "internal")])
        other.rotate(NEW)
        for _ in range(2):
            with pytest.raises(StoreError, match="root key was rotated"):
                old.keys([("user:b", "internal")])
            with pytest.raises(StoreError, match="root key was rotated"):
                old.key("0" * 24)
        made = other.keys([("user:c", "internal")])
    with Keyring(path, NEW, create=False) as again:
        assert again.keys([("user:c", "internal")]) == made


def test_a_rotation_that_is_cut_off_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after, never between."""
    path = tmp_path / "ragtrace.keyring"
    with Keyring(path, KEY, create=True) as keyring:
        made = keyring.keys([(f"user:{n}", "internal") for n in range(20)])
        calls = iter(range(10))

        def opened(self: KeyringFile, wrapped: bytes, name: str) -> bytes:
            if next(calls, None) is None:
                raise StoreError("killed")
            return self._wrap.unwrap(wrapped, name) or b""

        with monkeypatch.context() as patched:
            patched.setattr(KeyringFile, "opened", opened)
            with pytest.raises(StoreError, match="killed"):
                keyring.rotate(NEW)
    with Keyring(path, KEY, create=False) as again:
        assert again.keys(made) == made


def test_a_copy_of_the_keyring_from_before_a_rotation_needs_the_old_key(tmp_path: Path) -> None:
    """So who destroys the old root key has destroyed the old copies."""
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("kept")])
        shutil.copy(keyring_of(url), tmp_path / "copy")
        opened.rotate(NEW)
    with pytest.raises(StoreError, match="wrapped with another key"):
        Keyring(tmp_path / "copy", NEW, create=False)
