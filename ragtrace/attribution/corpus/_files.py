"""Files: written whole and made durable before anything speaks of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ragtrace.errors import CorpusIndexError

MODE: Final = 0o600
"""Only the owner reads an index: what it holds can be asked of it."""

__all__ = ["replace_file", "sync_directory", "sync_file", "told", "write_file"]


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on disk; its name may not be yet."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    with open(opened, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path`` at one stroke: either it is there, or the old is."""
    made = path.with_name(path.name + ".tmp")
    write_file(made, data)
    os.replace(made, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_file(path: Path) -> None:
    """Wait until what was written to a file is on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say what the system says, with where.

    Raises:
        CorpusIndexError: In place of any ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise CorpusIndexError(f"{error.filename or path}: {error.strerror or error}") from None
