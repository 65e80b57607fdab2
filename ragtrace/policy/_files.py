"""Files: what a policy was read from, so that a change is noticed and the digest covers it all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO, Protocol

from ragtrace.errors import PolicyFileError

__all__ = ["Alone", "Files", "PolicyFile", "Version", "version_of"]

Version = tuple[int, int, int, int]
"""Of a file: when it was last written, in nanoseconds; its size; its inode; and when it, or who may
read it, was last changed."""


def version_of(path: str | Path) -> Version | None:
    """The version of the file at ``path``, by asking the file system; ``None`` if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a name with a zero byte is a ValueError
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file that a policy was read from, or was to be.

    Attributes:
        path: Absolute, so that it holds wherever the process goes.
        version: Just before it was read.
        digest: SHA-256 of what was read; empty where it could not be read to its end.
    """

    path: str
    version: Version | None
    digest: str = ""


class Readable(Protocol):
    """An open file of bytes."""

    def readline(self, size: int = -1, /) -> bytes:
        """The next line, or as much of it as ``size`` bytes; nothing at the end."""
        ...


class Files:
    """Opens the files of a policy and remembers each, also one that cannot be read.

    The policy file is the first; what it names is opened here too.
    """

    def __init__(self) -> None:
        self._opened: list[PolicyFile] = []

    def __iter__(self) -> Iterator[PolicyFile]:
        """The files, in the order in which they were opened."""
        return iter(self._opened)

    @property
    def digest(self) -> str:
        """Of all that was read; of one file it is that file's own.

        The names need no mention: the first file says them.
        """
        digests = [one.digest for one in self._opened]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def given(self, path: str | Path, data: bytes) -> None:
        """Note that ``data`` is what the file at ``path`` holds."""
        self._done(self._note(path), hashlib.sha256(data))

    def read(self, path: str | Path) -> bytes:
        """All that the file at ``path`` holds.

        Raises:
            OSError: It cannot be read.
        """
        place = self._note(path)
        data = Path(path).read_bytes()
        self._done(place, hashlib.sha256(data))
        return data

    @contextmanager
    def open(self, path: Path) -> Iterator[Readable]:
        """The file at ``path``, to be read line by line to its end.

        Raises:
            OSError: It cannot be read.
        """
        place = self._note(path)
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise OSError(EINVAL, "expected a file")
        with path.open("rb") as file:
            reading = _Hashing(file)
            yield reading
        self._done(place, reading.hash)

    def _note(self, path: str | Path) -> int:
        self._opened.append(PolicyFile(os.path.abspath(path), version_of(path)))
        return len(self._opened) - 1

    def _done(self, place: int, read: hashlib._Hash) -> None:
        self._opened[place] = replace(self._opened[place], digest=read.hexdigest())


class Alone(Files):
    """Opens nothing: for a policy from outside, which may name no file of this machine."""

    def read(self, path: str | Path) -> bytes:
        """Refuse.

        Raises:
            PolicyFileError: Always; whether there is such a file, it does not say.
        """
        raise _refused()

    @contextmanager
    def open(self, path: Path) -> Iterator[Readable]:
        """Refuse, as ``read`` does."""
        raise _refused()
        yield  # never reached: what makes it a context manager


def _refused() -> PolicyFileError:
    return PolicyFileError("policy: it names another file, expected one that stands alone")


class _Hashing:
    """An open file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def readline(self, size: int = -1, /) -> bytes:
        line = self._file.readline(size)
        self.hash.update(line)
        return line
