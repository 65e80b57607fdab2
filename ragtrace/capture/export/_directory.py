"""Directory: files of batches that one process at a time has, also when another made them."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Directory"]

LOCK_FILE: Final = "lock"
_HIDDEN: Final = "."
"""Begins the name of what is not yet whole."""


class Directory:
    """Batches of one process, a file each; the system lets go of it when the process dies.

    A process makes one for itself, and empties those of processes that have ended. Files are
    ``0600`` and directories ``0700``; each file is there whole or not at all.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path: Final = path
        self._lock = lock

    @classmethod
    def new(cls, above: Path) -> Directory:
        """One of this process's own, in ``above``, which is made where it is missing.

        Raises:
            OSError: It cannot be made, or others could change what is in it.
        """
        if not hasattr(os, "geteuid"):  # where nobody could tell whose it is, or who is alive
            raise OSError("the system has no locks of files")
        for one in (above.parent, above):
            one.mkdir(0o700, parents=True, exist_ok=True)
            _private(one)
        name = uuid.uuid4().hex
        hidden = above / f"{_HIDDEN}{name}"
        hidden.mkdir(0o700)
        lock = _locked(hidden)
        if lock is None:  # pragma: no cover - nobody else knows its name
            raise OSError("cannot be locked")
        # Only now can others see it, and it is held already.
        hidden.rename(above / name)
        return cls(above / name, lock)

    @classmethod
    def left(cls, above: Path) -> Iterator[Directory]:
        """Those that a process which has ended has left in ``above``."""
        with suppress(OSError):
            for path in sorted(above.iterdir()):
                if path.name.startswith(_HIDDEN):
                    continue
                with suppress(OSError):
                    lock = _locked(path)
                    if lock is not None:
                        yield cls(path, lock)

    def names(self) -> list[str]:
        """Of the batches in it, oldest first."""
        found = (entry.name for entry in os.scandir(self.path))
        return sorted(name for name in found if name != LOCK_FILE and name[0] != _HIDDEN)

    def write(self, name: str, data: bytes) -> None:
        """Add a batch.

        It is not waited for the disk: what is written outlives the process, not a power cut.

        Raises:
            OSError: It cannot be written; nothing of it is there.
        """
        hidden = self.path / f"{_HIDDEN}{name}"
        opened = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(opened, "wb", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError("no room is left")
            hidden.rename(self.path / name)
        except OSError:
            with suppress(OSError):
                hidden.unlink()
            raise

    def read(self, name: str) -> bytes:
        """A batch.

        Raises:
            OSError: It is not there any more.
        """
        with open(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read()

    def remove(self, name: str) -> None:
        """Take a batch out, if it is there."""
        with suppress(OSError):
            (self.path / name).unlink()

    def close(self) -> None:
        """Leave it to others, or remove it where nothing is left in it."""
        with suppress(OSError):
            if not self.names():
                for entry in os.scandir(self.path):
                    os.unlink(entry)
                self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of the lock, and of nothing else: a child does, whose parent keeps it."""
        with suppress(OSError):
            os.close(self._lock)


def _locked(path: Path) -> int | None:
    """The open lock file of a directory; ``None`` where a process that lives has it."""
    import fcntl  # not everywhere

    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    opened = os.open(path / LOCK_FILE, flags, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(opened)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return opened


def _private(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"{path} is not this user's alone to write to")
