"""Results: the answers of a rerun in a file of JSON lines, so that a restart goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from ragtrace.forensics._rerun_plan import RerunError

__all__ = ["Results", "Sample"]

READABLE_BY_OTHERS: Final = 0o077
_BEGINS: Final = b'{"prompt": "'
"""Every line; what was cut off and begins otherwise is somebody else's, and is not cut further."""


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """One answer; its ``repr`` does not show it.

    Attributes:
        prompt: Digest of the recorded prompt.
        sent: Digest of the messages that were sent.
        variant: Name of the variant.
        number: Of the sample, from 0.
        tokens: Sent and received, as the endpoint counted them; empty where it does not say.
    """

    prompt: str
    sent: str
    variant: str
    number: int
    host: str
    model: str
    temperature: float
    answer: str
    tokens: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What it is the answer to: one that is there is not asked for again."""
        return self.prompt, self.sent, self.number, self.host, self.model, self.temperature

    def __repr__(self) -> str:
        """Say of what it is."""
        return f"Sample({self.variant}, {self.number})"


class Results:
    """The answers that are there already, and those that come.

    Each is on disk before the next one is asked for. The file holds what models said, which may
    be protected text: only its owner can read it.

    Args:
        path: The file; ``None`` keeps them in memory.

    Raises:
        RerunError: It cannot be read or written, or holds something else.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[tuple[object, ...], Sample] = {}
        if path is not None and path.exists():
            self._read(path)

    def get(self, key: tuple[object, ...]) -> Sample | None:
        """The answer that is there."""
        return self._known.get(key)

    def add(self, sample: Sample) -> None:
        """Keep an answer; it is on disk when this returns.

        Raises:
            RerunError: It cannot be written.
        """
        self._known[sample.key] = sample
        if self._path is None:
            return
        line = json.dumps({one.name: getattr(sample, one.name) for one in fields(sample)}) + "\n"
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _refuse_shared(os.fstat(file), self._path)
                data = line.encode("ascii")
                while data:
                    data = data[os.write(file, data) :]
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise RerunError(f"{self._path}: {error.strerror or error}") from None

    def _read(self, path: Path) -> None:
        try:
            data = path.read_bytes()
            whole, _, torn = data.rpartition(b"\n")
            for number, line in enumerate(whole.splitlines() if whole else [], 1):
                sample = _sample(line, f"{path}:{number}")
                self._known[sample.key] = sample
            if torn[: len(_BEGINS)] != _BEGINS[: len(torn)]:
                raise RerunError(f"{path}: expected answers of an earlier rerun")
            _refuse_shared(path.stat(), path)
            if torn:  # it was being written when the process ended
                os.truncate(path, len(data) - len(torn))
        except OSError as error:
            raise RerunError(f"{path}: {error.strerror or error}") from None


def _refuse_shared(found: os.stat_result, path: Path) -> None:
    """Refuse a file of somebody who lets others read it: answers are not put there.

    Raises:
        RerunError: It is one.
    """
    if found.st_mode & READABLE_BY_OTHERS:
        raise RerunError(f"{path}: others can read the file: expected chmod 600")


def _sample(line: bytes, place: str) -> Sample:
    try:
        said: dict[str, Any] = json.loads(line)
        sample = Sample(**{**said, "tokens": tuple(said["tokens"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RerunError(f"{place}: expected an answer of an earlier rerun") from None
    texts = (sample.prompt, sample.sent, sample.variant, sample.host, sample.model, sample.answer)
    if not all(isinstance(one, str) for one in texts) or type(sample.number) is not int:
        raise RerunError(f"{place}: expected an answer of an earlier rerun")
    return sample
