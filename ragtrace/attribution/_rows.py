"""Rows: the symbols of many chunks in one array, so that all are compared at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ragtrace.attribution._fold import Codes, Places
from ragtrace.attribution._kgrams import KEPT
from ragtrace.attribution._reading import PADDING

__all__ = ["Rows"]

_BETWEEN: Final = 1
"""Stands between two chunks; no text folds to it, and no reading has it."""


class Rows:
    """Chunks' symbols behind each other, numbered in the order they were added."""

    def __init__(self) -> None:
        self._reserve(1 << 14)
        self._starts = np.zeros(64, np.int64)
        self._sizes = np.zeros(64, np.int64)
        self._size, self._count = PADDING, 0

    def __len__(self) -> int:
        return self._count

    @property
    def codes(self) -> Codes:
        """All symbols as code points, with PADDING before and behind."""
        return self._codes

    def add(self, chunks: Sequence[Codes]) -> int:
        """Append chunks, each at a multiple of KEPT; where the first begins."""
        sizes = np.array([len(codes) for codes in chunks], np.int64)
        ends = self._size + np.cumsum(sizes // KEPT * KEPT + KEPT)  # one symbol between, at least
        starts = np.concatenate([[self._size], ends[:-1]])
        if ends[-1] + PADDING > len(self._codes):
            before = self._codes
            self._reserve(2 * max(len(before), int(ends[-1]) + PADDING))
            self._codes[: len(before)] = before
        for start, codes in zip(starts.tolist(), chunks, strict=True):
            self._codes[start : start + len(codes)] = codes
        count = self._count + len(chunks)
        while count > len(self._starts):
            self._starts = np.concatenate([self._starts, np.zeros_like(self._starts)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._starts[self._count : count], self._sizes[self._count : count] = starts, sizes
        self._size, self._count = int(ends[-1]), count
        return int(starts[0])

    @property
    def end(self) -> int:
        """Where the next chunk would begin."""
        return self._size

    def _reserve(self, size: int) -> None:
        self._codes = np.full(size, _BETWEEN, np.uint32)

    def sizes(self, numbers: Places) -> Places:
        """Symbols of each chunk."""
        return self._sizes[numbers]

    def locate(self, places: Places) -> tuple[Places, Places]:
        """Which chunk each place is in, and which place it is in there."""
        numbers = np.searchsorted(self._starts[: self._count], places, "right") - 1
        return numbers, places - self._starts[numbers]
