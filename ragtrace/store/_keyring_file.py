"""Keyring file: SQLite as a place for secrets; what is deleted is overwritten, a commit is on disk.

Everything secret in it is wrapped with the root key, under its own name.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store._root import KEY_BYTES, READABLE_BY_OTHERS, Wrap

__all__ = ["KeyringFile"]

BUSY_SECONDS: Final = 30.0
"""How long to wait for another process: rotating wraps a million keys in about as long."""
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
    retired INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS keys_in_use ON keys (subject, level) WHERE retired = 0;
CREATE INDEX IF NOT EXISTS keys_of_subject ON keys (subject);
CREATE TABLE IF NOT EXISTS shreds (
    id TEXT PRIMARY KEY, record TEXT NOT NULL, swept INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
_NAMES: Final = "SELECT wrapped FROM meta WHERE name = 'names'"
_WRAPPED: Final = (("meta", "name"), ("levels", "id"), ("keys", "id"))
"""Tables with secrets, and the column under whose value each is wrapped."""


class KeyringFile:
    """The file, and who may change it when; safe to use from several threads and processes.

    Args:
        path: Which only its owner may read.
        root: 32 bytes, the key that wraps it.
        create: Whether to make one where there is none.
        changed: Called where what was read before may be otherwise now.

    Raises:
        StoreError: There is none, others can read it, or it opens with another root key.
    """

    def __init__(
        self, path: Path, root: bytes, *, create: bool, changed: Callable[[], None]
    ) -> None:
        self.path: Final = path
        self._wrap = Wrap(root)
        self._changed = changed
        self._lock = threading.RLock()
        _prepare(path, create)
        try:
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in ("secure_delete = ON", "journal_mode = DELETE", "synchronous = EXTRA"):
                self._db.execute(f"PRAGMA {pragma}")
            self._version = self._data_version()
            self.names: Final = self._begun(create)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The file, for one thread at a time; who remembers something is told of changes first.

        Raises:
            StoreError: It cannot be read or written.
        """
        with self._lock:
            try:
                self._look()
                yield self._db
            except sqlite3.Error as error:
                raise self._failed(error) from None

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Change all of it or nothing; on disk at the end.

        Raises:
            StoreError: Nothing was changed.
        """
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                self._look()  # again: nobody else can change it now
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._changed()
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def wrapped(self, secret: bytes, name: str) -> bytes:
        """Seal a secret under its name."""
        return self._wrap.wrap(secret, name)

    def opened(self, wrapped: bytes, name: str) -> bytes:
        """Open what ``wrapped`` gave.

        Raises:
            StoreError: It was changed, or wrapped with another root key.
        """
        found = self._wrap.unwrap(wrapped, name)
        if found is None:
            raise StoreError(f"vault: {self.path}: key {name} does not open: it was changed")
        return found

    def rewrap(self, root: bytes) -> int:
        """Wrap everything with another root key, all of it or nothing; give how many entries.

        Raises:
            StoreError: Nothing was changed.
        """
        wrap, count = Wrap(root), 0
        with self.changing() as db:
            for table, column in _WRAPPED:
                rows = db.execute(f"SELECT {column}, wrapped FROM {table}").fetchall()
                count += len(rows)
                again = [(wrap.wrap(self.opened(old, name), name), name) for name, old in rows]
                db.executemany(f"UPDATE {table} SET wrapped = ? WHERE {column} = ?", again)
        self._wrap = wrap
        return count

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._db.close()

    def _look(self) -> None:
        """See whether another process has changed the file, and perhaps rotated the root key."""
        version = self._data_version()
        if version == self._version:
            return
        self._changed()
        (wrapped,) = self._db.execute(_NAMES).fetchone()
        if self._wrap.unwrap(wrapped, "names") is None:
            raise StoreError(
                f"vault: {self.path}: the root key was rotated: expected this process to be "
                "started again with the new one"
            )
        self._version = version

    def _data_version(self) -> Any:
        return self._db.execute("PRAGMA data_version").fetchone()[0]

    def _begun(self, create: bool) -> bytes:
        """The secret behind names, made with the file; it proves the root key, too."""
        with self._lock:
            self._db.executescript(_SCHEMA)
        with self.changing() as db:
            found = db.execute(_NAMES).fetchone()
            if found is None:
                if not create:
                    raise StoreError(MISSING.format(path=self.path))
                names = secrets.token_bytes(KEY_BYTES)
                db.execute("INSERT INTO meta VALUES ('names', ?)", (self.wrapped(names, "names"),))
                return names
        opened = self._wrap.unwrap(found[0], "names")
        if opened is None:
            raise StoreError(f"vault: {self.path}: the keyring was wrapped with another key")
        return opened

    def _failed(self, error: sqlite3.Error) -> StoreError:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return StoreError(f"vault: {self.path}: {name}")


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
