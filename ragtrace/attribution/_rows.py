"""Rows: the symbols of many chunks in one array, so that all are compared at once."""

from __future__ import annotations

from typing import Final

import numpy as np

from ragtrace.attribution._fold import Codes, Places
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

    def add(self, codes: Codes) -> int:
        """Append a chunk's symbols; where they begin."""
        start, end = self._size, self._size + len(codes)
        if end + 1 + PADDING > len(self._codes):
            before = self._codes
            self._reserve(2 * max(len(before), end + 1 + PADDING))
            self._codes[: len(before)] = before
        if self._count == len(self._starts):
            self._starts = np.concatenate([self._starts, np.zeros_like(self._starts)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._codes[start:end] = codes
        self._starts[self._count], self._sizes[self._count] = start, len(codes)
        self._size, self._count = end + 1, self._count + 1
        return start

    def _reserve(self, size: int) -> None:
        self._codes = np.full(size, _BETWEEN, np.uint32)

    def sizes(self, numbers: Places) -> Places:
        """Symbols of each chunk."""
        return self._sizes[numbers]

    def locate(self, places: Places) -> tuple[Places, Places]:
        """Which chunk each place is in, and which place it is in there."""
        numbers = np.searchsorted(self._starts[: self._count], places, "right") - 1
        return numbers, places - self._starts[numbers]
