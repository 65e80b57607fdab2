"""Pool: many short texts in one array of bytes, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.errors import CorpusIndexError

__all__ = ["Pool"]

LIMIT: Final = 1 << 32
"""Bytes of one pool: its offsets have 32 bits."""


class Pool:
    """Texts by number.

    Args:
        offsets: Where each begins in ``data``, and where the last ends; shape ``(n + 1,)``.
        data: Their UTF-8 one after the other.
        where: Stands in errors.
    """

    __slots__ = ("data", "offsets", "where")

    def __init__(self, offsets: NDArray[np.uint32], data: NDArray[np.uint8], where: str) -> None:
        self.offsets, self.data, self.where = offsets, data, where

    @classmethod
    def of(cls, texts: Iterable[str]) -> Pool:
        """A pool of these texts.

        Raises:
            CorpusIndexError: They are longer than LIMIT together.
        """
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.array(list(map(len, encoded)), np.int64)
        return cls.joined([(lengths, np.frombuffer(b"".join(encoded), np.uint8))])

    @classmethod
    def joined(cls, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]]) -> Pool:
        """A pool of parts: the lengths of some texts, and their bytes."""
        lengths = [sizes for sizes, _ in parts]
        ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths]))
        if ends[-1] >= LIMIT:
            raise CorpusIndexError(f"ids: expected less than {LIMIT} bytes in one segment")
        data = np.concatenate([np.zeros(0, np.uint8), *(data for _, data in parts)])
        return cls(ends.astype(np.uint32), data, "ids")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        try:
            start, end = int(self.offsets[number]), int(self.offsets[number + 1])
            return self.data[start:end].tobytes().decode("utf-8", "surrogatepass")
        except (IndexError, UnicodeDecodeError):
            raise CorpusIndexError(f"{self.where}: expected a text at number {number}") from None

    def part(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Lengths and bytes of the texts from ``first`` to ``last`` (exclusive)."""
        offsets = self.offsets[first : last + 1].astype(np.int64)
        return np.diff(offsets), self.data[int(offsets[0]) : int(offsets[-1])]
