"""Backup: a store as the engine copies it, and back into an empty one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store._schema import migrate

__all__ = ["back_up", "restore"]

OTHERS: Final = 0o077
"""Modes that a copy does not have: it holds everything but the key."""
NAME: Final = "ragtrace"
"""Of the database inside a backup, whatever it is called outside."""
TABLES: Final = (
    *("otel_traces", "flows", "reached", "derived", "steps", "decisions"),
    *("contents", "chain", "heads", "readings"),
)
"""What makes a store one that is not empty; what was shredded the keyring knows, too."""


def back_up(client: Any, database: str, destination: str) -> int:
    """Copy the whole database to a new directory or ``.zip``, and give its size in bytes.

    Raises:
        StoreError: There is something already.
    """
    if os.path.lexists(destination):
        raise StoreError(f"backup: {destination}: is there already")
    query = f"BACKUP DATABASE {database} AS {NAME} TO File({_quoted(destination)})"
    with _for_its_owner_alone():
        identity = client.query(query).result_rows[0][0]
    found = client.query(_SIZE, parameters={"id": identity}).result_rows
    return int(found[0][0]) if found else 0


def restore(client: Any, database: str, source: str, fit: Callable[[str], str]) -> int:
    """Put a backup in the place of an empty database, and give its schema's version.

    Raises:
        StoreError: The database has rows, or the backup cannot be used; then it is as before.
    """
    for table in TABLES:
        if client.query(f"SELECT 1 FROM {table} LIMIT 1").result_rows:
            raise StoreError("restore: this store is not empty: expected a new directory or name")
    query = f"RESTORE DATABASE {NAME} AS {database} FROM File({_quoted(source)})"
    client.command(f"DROP DATABASE {database} SYNC")
    try:
        client.command(query)
        return migrate(client, fit=fit)
    except BaseException as error:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        client.command(f"CREATE DATABASE {database}")
        migrate(client, fit=fit)
        if isinstance(error, StoreError) or not isinstance(error, Exception):
            raise
        reason = getattr(error, "name", None) or type(error).__name__
        raise StoreError(
            f"restore: {source}: expected a backup that `ragtrace store backup` made ({reason})"
        ) from None


_turn: Final = threading.Lock()


@contextmanager
def _for_its_owner_alone() -> Iterator[None]:
    """Let what the embedded engine makes be read by nobody else; one backup at a time.

    The mask is the process's: what others of its threads make meanwhile is kept closer too.
    """
    with _turn:
        before = os.umask(OTHERS)
        try:
            yield
        finally:
            os.umask(before)


_SIZE: Final = "SELECT total_size FROM system.backups WHERE id = {id:String}"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
