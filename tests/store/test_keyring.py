"""What the keyring promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import StoreError
from ragtrace.store import OWNER, Store, Vault
from ragtrace.store._keyring import Keyring
from ragtrace.store._seeds import Seeds
from tests.engine import KEY, SERVER, content, fresh_url

OTHER = bytes(reversed(KEY))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "ragtrace.keyring"


@pytest.fixture
def keyring(path: Path) -> Iterator[Keyring]:
    """An empty one."""
    with Keyring(path, KEY, create=True) as made:
        yield made


digests = st.text("0123456789abcdef", min_size=1, max_size=64)


@given(root=st.binary(min_size=32, max_size=32), gone=st.lists(digests), other=digests)
def test_a_seed_that_is_forgotten_is_gone_and_every_other_stays(
    root: bytes, gone: list[str], other: str
) -> None:
    """Whatever is forgotten, in whatever order, and also from what was stored meanwhile."""
    whole = seeds = Seeds.grown(root)
    for digest in gone:
        seeds = Seeds.from_bytes(seeds.without(digest).to_bytes())
    assert all(seeds.leaf(digest) is None for digest in gone)
    assert seeds.leaf(other) == (None if other in gone else whole.leaf(other))
    assert root not in seeds.nodes.values() or not gone


@given(root=st.binary(min_size=32, max_size=32), one=digests, other=digests)
def test_two_texts_have_two_seeds(root: bytes, one: str, other: str) -> None:
    """And a text always the same."""
    seeds = Seeds.grown(root)
    assert (seeds.leaf(one) == seeds.leaf(other)) is (one == other)


def test_keys_are_made_once_and_found_again(keyring: Keyring, path: Path) -> None:
    """By another process too, and each subject and level has its own."""
    asked = [("user:a", "internal"), ("user:a", "public"), ("user:b", "internal")]
    made = keyring.keys(asked)
    assert len({key.id for key in made.values()}) == 3
    assert made["user:a", "internal"].of_level == made["user:b", "internal"].of_level
    assert made["user:a", "internal"].of_level != made["user:a", "public"].of_level
    with Keyring(path, KEY, create=False) as other:
        assert other.keys(asked) == made
        assert other.keys([("user:c", "public")]) == keyring.keys([("user:c", "public")])
        assert [other.key(key.id) for key in made.values()] == list(made.values())
        assert other.key("0" * 24) is None


def test_nothing_in_the_file_is_a_name_or_a_secret(keyring: Keyring, path: Path) -> None:
    """Who has the file alone has neither the names of users nor a key."""
    key = keyring.keys([("user:marguerite", "internal")])["user:marguerite", "internal"]
    data = path.read_bytes()
    for secret in (b"marguerite", key.of_level, *key.seeds.nodes.values(), KEY):
        assert secret not in data
    assert str(key.of_level) not in repr(key) and "seeds" not in repr(key)


def test_only_its_owner_may_read_the_file(keyring: Keyring, path: Path) -> None:
    """It is made so, and refused where it is otherwise."""
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    path.chmod(0o640)
    with pytest.raises(StoreError, match="chmod 600"):
        Keyring(path, KEY, create=False)


def test_another_root_key_is_refused(keyring: Keyring, path: Path) -> None:
    """Whether it is to be made or not."""
    for create in (True, False):
        with pytest.raises(StoreError, match="wrapped with another key"):
            Keyring(path, OTHER, create=create)
    with pytest.raises(StoreError, match="32 bytes"):
        Keyring(path, b"x" * 16, create=True)


def test_what_is_no_keyring_is_refused(path: Path) -> None:
    """Neither is it replaced."""
    path.parent.mkdir()
    path.write_bytes(b"nothing of the kind" * 100)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        Keyring(path, KEY, create=True)
    assert path.read_bytes() == b"nothing of the kind" * 100


def test_an_entry_that_was_changed_is_named(keyring: Keyring, path: Path) -> None:
    """And the others open."""
    pairs = [("user:a", "internal"), ("user:b", "internal")]
    made = keyring.keys(pairs)
    broken = made[pairs[0]].id
    other = sqlite3.connect(path)
    other.execute("UPDATE keys SET wrapped = zeroblob(80) WHERE id = ?", (broken,))
    other.commit()
    other.close()
    with pytest.raises(StoreError, match=f"key {broken} does not open"):
        keyring.key(broken)
    assert keyring.key(made[pairs[1]].id) == made[pairs[1]]


def test_a_pseudonym_is_a_names_own_and_stays(keyring: Keyring, path: Path) -> None:
    """The same for as long as the keyring is, and no other name has it."""
    vault = Vault(keyring)
    names = {vault.pseudonym("user", name) for name in "abcdef"}
    assert len(names | {vault.pseudonym("session", "a")}) == 7
    assert all(len(name) == 32 for name in names)
    with Keyring(path, KEY, create=False) as again:
        assert Vault(again).pseudonym("user", "a") == vault.pseudonym("user", "a")


def test_no_new_keyring_is_made_where_texts_are_sealed() -> None:
    """A store whose keyring is gone says so, and takes nothing in that would hide it."""
    url = fresh_url()
    with Store.open(url, KEY) as opened:
        opened.write([], [content("kept")])
        file = opened.keyring
    assert file is not None
    aside = file.rename(file.with_suffix(".aside"))
    for empty in (False, True):
        if empty:
            file.touch(0o600)
        with pytest.raises(StoreError, match="keyring is missing"):
            Store.open(url, KEY)
    aside.rename(file)
    with Store.open(url, KEY) as opened:
        assert list(opened.texts([content("kept").digest], access=OWNER).values()) == ["kept"]


@pytest.mark.skipif(SERVER is not None, reason="the address is made up here")
def test_a_servers_address_has_to_say_where_the_keyring_is() -> None:
    """Texts are not sealed with keys that lie nobody knows where."""
    from ragtrace.store._engine import Address

    assert Address.parse("clickhouse://x/db").keyring is None
    at = Address.parse("clickhouse://x/db?keyring=/run/keys").keyring
    assert at == Path("/run/keys/db.keyring")
    beside = Path("/srv/store.keyring/ragtrace.keyring")
    assert Address.parse("/srv/store").keyring == beside
    assert Address.parse("chdb:///srv/store").keyring == beside
