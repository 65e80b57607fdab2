"""Lock: one writer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ragtrace.errors import CorpusIndexError

__all__ = ["locked"]

LOCK_FILE: Final = "lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the index for writing; the system lets go of it when the process dies.

    Raises:
        CorpusIndexError: Somebody else holds it, or it cannot be locked.
    """
    import fcntl  # not everywhere; readers need none of it

    path = directory / LOCK_FILE
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CorpusIndexError(f"{path}: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(opened, 20).decode("ascii", "replace").strip() or "unknown"
            raise CorpusIndexError(
                f"{directory}: process {holder} is writing to this index; expected one at a time"
            ) from None
        os.ftruncate(opened, 0)
        os.pwrite(opened, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        with suppress(OSError):
            os.close(opened)
