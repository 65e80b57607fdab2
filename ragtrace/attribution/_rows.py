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
        self._codes = _empty(1 << 14)
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
        """Append chunks, each at a multiple of KEPT; where the first begins.

        Where that fails, none of them is appended.
        """
        end, count = self._size, self._count + len(chunks)
        starts, sizes = [], [len(codes) for codes in chunks]
        for size in sizes:
            starts.append(end)
            end += size // KEPT * KEPT + KEPT  # one symbol between, at least
        self._make_room(end, count)
        self._codes[self._size : end] = _BETWEEN  # there may be some of what failed
        for start, codes in zip(starts, chunks, strict=True):
            self._codes[start : start + len(codes)] = codes
        self._starts[self._count : count], self._sizes[self._count : count] = starts, sizes
        first, self._size, self._count = self._size, end, count
        return first

    @property
    def end(self) -> int:
        """Where the next chunk would begin."""
        return self._size

    def _make_room(self, end: int, count: int) -> None:
        if end + PADDING > len(self._codes):
            codes = _empty(2 * max(len(self._codes), end + PADDING))
            codes[: len(self._codes)] = self._codes
            self._codes = codes
        while count > len(self._starts):
            more = np.zeros_like(self._starts)
            starts, sizes = (np.concatenate([one, more]) for one in (self._starts, self._sizes))
            self._starts, self._sizes = starts, sizes

    def sizes(self, numbers: Places) -> Places:
        """Symbols of each chunk."""
        return self._sizes[numbers]

    def locate(self, places: Places) -> tuple[Places, Places]:
        """Which chunk each place is in, and which place it is in there."""
        numbers = np.searchsorted(self._starts[: self._count], places, "right") - 1
        return numbers, places - self._starts[numbers]


def _empty(size: int) -> Codes:
    return np.full(size, _BETWEEN, np.uint32)
