"""Cover: which places of some messages are spoken for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from ragtrace.attribution._run import MIN_RUN

__all__ = ["EXPLAINED_SHARE", "Cover", "accounted_for"]

EXPLAINED_SHARE: Final = 0.9
"""Share of a chunk's found symbols that others must account for to explain it away."""

_MESSAGE: Final = 1 << 40
"""Places kept apart for one message, more than a text can have."""


class Cover:
    """A set of places, kept as the fewest stretches that hold them."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, message: int, start: int, end: int) -> None:
        """Put in places ``start`` to ``end`` (exclusive) of a message."""
        self._add(message * _MESSAGE + start, message * _MESSAGE + end)

    def update(self, other: Cover) -> None:
        """Put in every place of ``other``."""
        self._join(sorted(chain(self, other)))

    @classmethod
    def of(cls, stretches: Iterable[tuple[int, int, int]]) -> Cover:
        """The places of many stretches at once: message, start and end of each."""
        cover = cls()
        cover._join(
            sorted([(m * _MESSAGE + start, m * _MESSAGE + end) for m, start, end in stretches])
        )
        return cover

    def _join(self, ordered: Iterable[tuple[int, int]]) -> None:
        starts: list[int] = []
        ends: list[int] = []
        for start, end in ordered:
            if start >= end:
                continue
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = starts, ends

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Its stretches in order, in places that count on from message to message."""
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def holds(self, message: int, start: int, end: int) -> bool:
        """Whether all of places ``start`` to ``end`` of a message are in it."""
        return not self.left(message, start, end)

    def left(self, message: int, start: int, end: int) -> list[tuple[int, int]]:
        """The stretches between places ``start`` and ``end`` of a message that are not in it."""
        base = message * _MESSAGE
        return [(lo - base, hi - base) for lo, hi in self._gaps(base + start, base + end)]

    def missing_of(self, message: int, size: int) -> int:
        """How many of the first ``size`` places of a message are not in it."""
        base = message * _MESSAGE
        return sum([end - start for start, end in self._gaps(base, base + size)])

    def overlaps(self, other: Cover) -> bool:
        """Whether the two have a place in common."""
        return any(self._gaps(start, end) != [(start, end)] for start, end in other)

    def missing(self, other: Cover) -> list[int]:
        """Lengths of the stretches of ``other`` that this does not hold."""
        return [end - start for lo, hi in other for start, end in self._gaps(lo, hi)]

    def _add(self, start: int, end: int) -> None:
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        after = bisect_right(self._starts, end)
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]

    def _gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        gaps = []
        place = bisect_right(self._ends, start)
        while place < len(self._starts) and self._starts[place] < end:
            if self._starts[place] > start:
                gaps.append((start, self._starts[place]))
            start = self._ends[place]
            place += 1
        if start < end:
            gaps.append((start, end))
        return gaps


def accounted_for(cover: Cover, by: Cover) -> bool:
    """Whether ``by`` holds all of ``cover`` but for what could be chance or a small edit."""
    missing = by.missing(cover)
    return sum(missing) <= len(cover) * (1 - EXPLAINED_SHARE) and max(missing, default=0) < MIN_RUN
