"""Keyring: the keys of texts, in a file that is in no backup of the engine, so that they can be
destroyed.

Two entries make the key of a text: that of its level, and that of whose text it is (a document,
a user, a session) on that level. Each is random, and wrapped with the root key; nothing else is.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from ragtrace.errors import StoreError
from ragtrace.store._root import KEY_BYTES, READABLE_BY_OTHERS, Wrap
from ragtrace.store._seeds import SEED_BYTES, Seeds

__all__ = ["LEVEL_DIGITS", "PSEUDONYMS", "Key", "Keyring"]

LEVEL_DIGITS: Final = 8
"""Of a key's id, those that name the key of its level."""
SUBJECT_DIGITS: Final = 16
"""The others: random, so that no two keys ever made are called the same."""
REMEMBERED: Final = 65_536
"""Keys held in memory, some 500 bytes each; others are read again."""
BUSY_SECONDS: Final = 30.0
"""How long to wait for another process: rotating wraps a million keys in about as long."""
PSEUDONYMS: Final = "@pseudonyms"
"""Stands for a level in a subject's entry that no text is sealed with."""
MISSING: Final = (
    "vault: {path}: the keyring is missing, and the store has texts that open with nothing else: "
    "expected it, or its copy, to be put back there"
)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS levels (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, subject BLOB NOT NULL, level TEXT NOT NULL, wrapped BLOB NOT NULL,
    UNIQUE (subject, level)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shreds (
    id TEXT PRIMARY KEY, record TEXT NOT NULL, swept INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Key:
    """What seals the texts of one subject on one level.

    Attributes:
        id: Stands beside each text; says nothing.
        of_level: The level's key.
        seeds: The subject's, a seed for each text.
    """

    id: str
    of_level: bytes = field(repr=False)
    seeds: Seeds = field(repr=False)


class Keyring:
    """One file of keys; safe to use from several threads and processes.

    Args:
        path: The file, which only its owner may read.
        root: 32 bytes, the key that wraps it.
        create: Whether to make one where there is none.

    Raises:
        StoreError: There is none, others can read it, or it opens with another root key.
    """

    def __init__(self, path: Path, root: bytes, *, create: bool) -> None:
        self.path: Final = path
        self._wrap = Wrap(root)
        self._lock = threading.RLock()
        self._by_subject: dict[tuple[str, str], Key] = {}
        self._by_id: dict[str, Key] = {}
        _prepare(path, create)
        try:
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # What is deleted is overwritten, and a commit is on disk when it returns.
            for pragma in ("secure_delete = ON", "journal_mode = DELETE", "synchronous = EXTRA"):
                self._db.execute(f"PRAGMA {pragma}")
            self._seen = self._data_version()
            self._names = self._begun(create)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def keys(self, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Key]:
        """Give the keys of subjects on levels; those that there were none of are made.

        They are on disk when this returns: a text is never sealed with a key that may be lost.

        Raises:
            StoreError: The keyring cannot be read or written.
        """
        pairs = set(asked)
        with self._fresh():
            missing = [pair for pair in pairs if pair not in self._by_subject]
            if missing:
                with self._changing():
                    for pair in missing:
                        self._by_subject[pair] = self._found_or_made(*pair)
            return {pair: self._by_subject[pair] for pair in pairs}

    def key(self, name: str) -> Key | None:
        """Give the key with this id; ``None`` where it was destroyed, or never was here.

        Raises:
            StoreError: The keyring cannot be read.
        """
        with self._fresh():
            if name not in self._by_id:
                found = self._db.execute(_BY_ID, (name,)).fetchone()
                if found is None:
                    return None
                self._by_id[name] = self._opened(name, *found)
            return self._by_id[name]

    def named(self, subject: str) -> bytes:
        """Give the name that a subject has in the keyring, which nobody can guess at."""
        return hmac.digest(self._names, subject.encode("utf-8", "surrogatepass"), "sha256")[:16]

    def pseudonym(self, subject: str) -> str:
        """Give a name that stands for a subject for as long as its secret is not destroyed."""
        key = self.keys([(subject, PSEUDONYMS)])[subject, PSEUDONYMS]
        secret = key.of_level + b"".join(key.seeds.nodes.values())
        return hmac.digest(secret, b"ragtrace pseudonym", "sha256")[:16].hex()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self.close()

    def derived(self, purpose: bytes) -> bytes:
        """Give a key for something else, 32 bytes; it outlives the root key."""
        return hmac.digest(self._names, purpose, "sha256")

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        """Nothing is remembered that another process has changed since."""
        with self._lock:
            try:
                version = self._data_version()
                if version != self._seen or len(self._by_id) > REMEMBERED:
                    self._forget()
                    self._seen = version
                yield
            except sqlite3.Error as error:
                raise self._failed(error) from None

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Change all of it or nothing; on disk at the end."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._forget()
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _forget(self) -> None:
        self._by_subject.clear()
        self._by_id.clear()

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _found_or_made(self, subject: str, level: str) -> Key:
        of_level, name = self._level(level), self.named(subject)
        found = self._db.execute(_BY_SUBJECT, (name, of_level)).fetchone()
        if found is None:
            key = of_level + secrets.token_hex(SUBJECT_DIGITS // 2)
            seeds = Seeds.grown(secrets.token_bytes(SEED_BYTES))
            wrapped = self._wrap.wrap(seeds.to_bytes(), key)
            self._db.execute(_ADD_KEY, (key, name, of_level, wrapped))
            found = (key,)
        made = self._by_id.get(found[0])
        if made is None:
            made = self._opened(found[0], *self._db.execute(_BY_ID, found).fetchone())
        self._by_id[made.id] = made
        return made

    def _level(self, level: str) -> str:
        """The id of a level's key, which is made where there is none."""
        found = self._db.execute("SELECT id FROM levels WHERE name = ?", (level,)).fetchone()
        if found is not None:
            return str(found[0])
        made = secrets.token_hex(LEVEL_DIGITS // 2)
        wrapped = self._wrap.wrap(secrets.token_bytes(KEY_BYTES), made)
        self._db.execute("INSERT INTO levels VALUES (?, ?, ?)", (made, level, wrapped))
        return made

    def _opened(self, name: str, of_level: str, level: bytes, seeds: bytes) -> Key:
        opened = Seeds.from_bytes(self._unwrapped(seeds, name))
        return Key(name, self._unwrapped(level, of_level), opened)

    def _unwrapped(self, wrapped: bytes, name: str) -> bytes:
        found = self._wrap.unwrap(wrapped, name)
        if found is None:
            raise StoreError(f"vault: {self.path}: key {name} does not open: it was changed")
        return found

    def _begun(self, create: bool) -> bytes:
        """The secret behind names, made with the file; it proves the root key, too."""
        self._db.executescript(_SCHEMA)
        with self._changing() as db:
            found = db.execute("SELECT wrapped FROM meta WHERE name = 'names'").fetchone()
            if found is None:
                if not create:
                    raise StoreError(MISSING.format(path=self.path))
                names = secrets.token_bytes(KEY_BYTES)
                wrapped = self._wrap.wrap(names, "names")
                db.execute("INSERT INTO meta VALUES ('names', ?)", (wrapped,))
                return names
        opened = self._wrap.unwrap(found[0], "names")
        if opened is None:
            raise StoreError(f"vault: {self.path}: the keyring was wrapped with another key")
        return opened

    def _failed(self, error: sqlite3.Error) -> StoreError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return StoreError(f"vault: {self.path}: {name}")


_BY_ID: Final = """
SELECT keys.level, levels.wrapped, keys.wrapped FROM keys
JOIN levels ON levels.id = keys.level WHERE keys.id = ?
"""
_BY_SUBJECT: Final = "SELECT id FROM keys WHERE subject = ? AND level = ?"
_ADD_KEY: Final = "INSERT INTO keys VALUES (?, ?, ?, ?)"


def _prepare(path: Path, create: bool) -> None:
    """Make sure of a file that only its owner may read.

    Raises:
        StoreError: There is none and none is to be made, or others may read it.
    """
    if not create and not path.exists():
        raise StoreError(MISSING.format(path=path))
    try:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        mode = path.stat().st_mode
    except OSError as error:
        raise StoreError(f"vault: {path}: {error.strerror}") from None
    if mode & READABLE_BY_OTHERS:
        raise StoreError(f"vault: {path}: others can read the keyring: expected chmod 600")
