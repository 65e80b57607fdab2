"""Declassified: the file in which a policy's declassifications stand, read and written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ragtrace.errors import DeclassificationError
from ragtrace.labels import (
    MAX_DECLASSIFIED_LINE,
    MAX_DECLASSIFIED_LINES,
    Declassification,
    Declassifications,
    Revocation,
)
from ragtrace.model import Label
from ragtrace.policy._files import Files
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._policy import Policy

__all__ = ["declassified_in", "read_declassified", "record_declassification", "record_revocation"]

TRIES: Final = 200
"""How often the lock is asked for: over ten seconds, and who holds it needs some milliseconds."""

PAUSE: Final = 0.05
"""Seconds from one time to the next."""

Made = TypeVar("Made", Declassification, Revocation)


def declassified_in(lined: LinedYaml) -> str | None:
    """Where the policy keeps its declassifications, as an absolute path; ``None`` for nowhere."""
    named = lined.value.get("declassified")
    return None if named is None else os.path.abspath(Path(lined.name).parent / named)


def read_declassified(lined: LinedYaml, files: Files) -> Declassifications:
    """What has been declassified; a file that is not there holds nothing yet.

    Raises:
        PolicyFileError: The file cannot be read, or is not as it was written.
    """
    path = declassified_in(lined)
    if path is None:
        return Declassifications()
    try:
        return _read(Path(path), files)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        why = getattr(error, "strerror", None) or error
        raise lined.fault(["declassified"], f"{path}: {why}") from None


def record_declassification(
    policy: Policy,
    digest: str,
    *,
    to: str,
    by: str,
    reason: str,
    at: datetime,
    expires: datetime,
    compartments: Iterable[str] = (),
    known: Label | None = None,
) -> Declassification:
    """Put on record that the text of ``digest`` is released, and give the record.

    Args:
        policy: Names the file.
        digest: Of the text, as ``ragtrace.model.digest`` gives it.
        to: The level it carries at most.
        by: Who does it.
        reason: Why.
        at: When, UTC and whole seconds.
        expires: From when it does nothing any more, UTC and whole seconds.
        compartments: Which of its compartments stay.
        known: The label of the text, where somebody knows it.

    Raises:
        DeclassificationError: It cannot be; nothing was recorded.
        PolicyFileError: The file cannot be read, or is not as it was written.
    """
    if to not in policy.lattice.levels:
        levels = ", ".join(policy.lattice.levels)
        raise DeclassificationError(f"expected one of the levels {levels}, got {to!r}")

    def make(before: Declassifications) -> Declassification:
        made = Declassification(
            digest, to, frozenset(compartments), by, reason, at, expires, before.head
        )
        if known is not None and policy.lattice.dominates(made.label, known):
            raise ValueError(f"expected less than the text has, which is {known.level!r}")
        return made

    return _record(policy, make)


def record_revocation(policy: Policy, id: str, *, by: str, reason: str, at: datetime) -> Revocation:
    """Put on record that the declassification ``id`` is taken back, and give the record.

    Raises:
        DeclassificationError: There is none that is not taken back yet; nothing was recorded.
        PolicyFileError: The file cannot be read, or is not as it was written.
    """

    def make(before: Declassifications) -> Revocation:
        if all(one.id != id for one in before.records):
            raise ValueError(f"there is no declassification {id!r}")
        if any(one.revokes == id for one in before.revocations):
            raise ValueError(f"the declassification {id!r} is revoked already")
        return Revocation(id, by, reason, at, before.head)

    return _record(policy, make)


def _record(policy: Policy, make: Callable[[Declassifications], Made]) -> Made:
    """Add the line that ``make`` says to the file; one writer at a time."""
    if policy.declassified_in is None:
        raise DeclassificationError(
            "the policy keeps no declassifications, expected a file under 'declassified' in it"
        )
    path = Path(os.path.realpath(policy.declassified_in))
    try:
        with _locked(path):
            before = _read(path, Files())
            if len(before.records) + len(before.revocations) >= MAX_DECLASSIFIED_LINES:
                raise ValueError(f"{path}: expected at most {MAX_DECLASSIFIED_LINES} lines")
            made = make(before)
            _replace(path, made.line())
    except OSError as error:
        raise DeclassificationError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise DeclassificationError(str(error)) from None
    return made


def _read(path: Path, files: Files) -> Declassifications:
    try:
        with files.open(path) as file:
            # A line too long is cut in two; the first half is refused for its length.
            lines = iter(partial(file.readline, MAX_DECLASSIFIED_LINE + 1), b"")
            return Declassifications.parse(lines, str(path))
    except FileNotFoundError:
        return Declassifications()


def _replace(path: Path, line: bytes) -> None:
    """Put the file with one line more in its own place at one stroke.

    Who reads it meanwhile has the old; whenever the machine stops, no part of a line is left.
    """
    made = path.with_name(f"{path.name}.tmp")
    try:
        with made.open("wb") as file:
            with suppress(FileNotFoundError):
                file.write(path.read_bytes())
                _own_as(path, file.fileno())
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        with suppress(OSError):
            made.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _own_as(path: Path, file: int) -> None:
    """Give the new file the mode and, where that may be done, the owner of the old."""
    had = path.stat()
    with suppress(PermissionError):
        os.fchown(file, had.st_uid, had.st_gid)
    os.fchmod(file, had.st_mode & 0o777)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file for writing; the system lets go of it when the process dies.

    The lock is on a file beside it, which stays: the file itself is replaced.
    """
    import fcntl  # not everywhere; readers need none of it

    opened = os.open(f"{path}.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        for left in range(TRIES, -1, -1):
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    raise DeclassificationError(f"{path}: another process is writing it") from None
                time.sleep(PAUSE)
        yield
    finally:
        os.close(opened)
