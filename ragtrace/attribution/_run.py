"""Run: symbols in a row that a message and a chunk share, and how many are evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._fold import FILLERS, Codes, Places
from ragtrace.attribution._kgrams import SURELY_FOUND, K

__all__ = ["MIN_RUN", "MIN_WHOLE", "Runs", "maximal", "stretches"]

MIN_RUN: Final = 32
"""Shortest shared run that is reported by itself: at 32 symbols 0 to 3 % of real answers share
one with a document they were not made from, and those are shared text (450 MTRAG answers)."""

MIN_WHOLE: Final = 8
"""A chunk shorter than MIN_RUN counts where all of it is found, if it has this many symbols;
shorter ones ("yes", "n/a") would be found everywhere."""

_BLOCK: Final = 32
"""Symbols compared at a time when a run is made longer: a seed, and what may follow before the
next. No more than the padding of a row, or a comparison would leave it."""

_FORWARD: Final = np.arange(_BLOCK)
_BACKWARD: Final = -_FORWARD


class Runs:
    """Stretches of a reading that are stretches of chunks, as columns of one length.

    Attributes:
        chunk: Number of the chunk.
        start: Where in the reading the run begins.
        end: Where it ends, exclusive.
        chunk_start: Where in the chunk it begins.
        chunk_end: Where it ends there. Beyond ``chunk_start + length`` where the text stands in
            the chunk several times: the range then goes from the first copy to the end of the
            last.
    """

    __slots__ = ("_table", "chunk", "chunk_end", "chunk_start", "end", "start")

    def __init__(self, table: Places) -> None:
        self._table = table  # of shape (5, runs), so that taking some of them is one step
        self.chunk: Places = table[0]
        self.start: Places = table[1]
        self.end: Places = table[2]
        self.chunk_start: Places = table[3]
        self.chunk_end: Places = table[4]

    def __len__(self) -> int:
        return len(self.chunk)

    @property
    def length(self) -> Places:
        """Symbols in each run."""
        return self.end - self.start

    @property
    def diagonal(self) -> Places:
        """Place in the reading less place in the chunk: the same all along a copy."""
        return self.start - self.chunk_start

    def take(self, which: Places) -> Runs:
        """Some of them, in the order asked for."""
        return Runs(self._table[:, which])

    def each_once(self) -> Runs:
        """The same without those that come a second time."""
        return Runs(np.unique(self._table, axis=1))

    @classmethod
    def of(cls, rows: list[tuple[int, int, int, int, int]]) -> Runs:
        """Runs from rows of the columns' values."""
        return cls(np.array(rows, np.int64).reshape(len(rows), 5).T)

    def __add__(self, other: Runs) -> Runs:
        if not len(other):
            return self
        return Runs(np.concatenate([self._table, other._table], axis=1))


def maximal(
    text: Codes, rows: Codes, places: Places, seeds: Places
) -> tuple[Places, Places, Places]:
    """The longest exact matches around seeds: starts and ends in ``text``, starts in ``rows``.

    Each is symbol for symbol the same in both, cannot be made longer on either side, and comes
    once. Those shorter than SURELY_FOUND are left out: they are found or missed by luck.

    Args:
        text: A padded row.
        rows: A padded row with other padding, so that no match runs into it.
        places: Where seeds stand in ``text``.
        seeds: Where the same seeds stand in ``rows``.
    """
    if not len(places):
        return places, places, seeds
    # By diagonal, then by place: one sort of one number each.
    keys = np.sort(((seeds - places + len(text)) << 32) | places)
    diagonal, place = (keys >> 32) - len(text), keys & 0xFFFFFFFF
    # Seeds that touch or overlap hold every symbol between them.
    apart = np.ones(len(keys) + 1, bool)
    apart[1:-1] = (diagonal[1:] != diagonal[:-1]) | (place[1:] - place[:-1] > K)
    first, last = apart[:-1].nonzero()[0], apart[1:].nonzero()[0]
    wrong = _differing(text, rows, place[first], place[last], diagonal[first])
    if wrong:  # two texts with one hash: each seed of the stretch by itself
        each = np.concatenate([np.arange(first[at], last[at] + 1) for at in wrong])
        first = np.sort(np.concatenate([np.delete(first, wrong), each]))
        last = np.sort(np.concatenate([np.delete(last, wrong), each]))
    diagonal, begin, tail = diagonal[first], place[first], place[last]
    start = begin - _reach(text, rows, begin - 1, diagonal, _BACKWARD)
    for _ in FILLERS:  # what counts for an ideograph is part of it, and it is not in the run
        start += (text[start] | 1) == ord(FILLERS[1])
    end = tail + _reach(text, rows, tail, diagonal, _FORWARD)
    kept = end - start >= SURELY_FOUND
    kept[1:] &= (diagonal[1:] != diagonal[:-1]) | (start[1:] != start[:-1])
    return start[kept], end[kept], (start + diagonal)[kept]


def stretches(places: Places) -> Iterator[tuple[int, int]]:
    """Where runs may stand that hold seeds at ``places``, ascending: no run reaches out of one."""
    edge = SURELY_FOUND - K
    apart = np.ones(len(places) + 1, bool)
    apart[1:-1] = places[1:] - places[:-1] > K + 2 * edge
    firsts, lasts = places[apart[:-1]] - edge, places[apart[1:]] + K + edge
    return zip(firsts.tolist(), lasts.tolist(), strict=True)


def _reach(text: Codes, rows: Codes, places: Places, diagonal: Places, block: Places) -> Places:
    """How many symbols in a row agree from each place on, the way that ``block`` goes."""
    step = int(block[1])
    total, whole = _agreeing(text, rows, places, diagonal, block)
    going = whole.nonzero()[0]
    while len(going):
        further = places[going] + step * total[going]
        agreed, whole = _agreeing(text, rows, further, diagonal[going], block)
        total[going] += agreed
        going = going[whole]
    return total


def _agreeing(
    text: Codes, rows: Codes, places: Places, diagonal: Places, block: Places
) -> tuple[Places, NDArray[np.bool_]]:
    """How many symbols of one block agree, and whether all of them do."""
    at = places[:, None] + block
    differs = text[at] != rows[at + diagonal[:, None]]
    agreed = differs.argmax(axis=1)
    whole = (agreed == 0) & ~differs[:, 0]  # nothing differs within the block
    agreed[whole] = _BLOCK
    return agreed, whole


def _differing(text: Codes, rows: Codes, begin: Places, end: Places, diagonal: Places) -> list[int]:
    """Which stretches are not the same in both all the way: none, but by a collision of hashes."""
    long = (end > begin).nonzero()[0]
    first, last, shift = begin[long], end[long], diagonal[long]
    places = zip(first.tolist(), last.tolist(), (first + shift).tolist(), strict=True)
    return [
        int(long[at])
        for at, (start, stop, other) in enumerate(places)
        if text[start:stop].tobytes() != rows[other : other + stop - start].tobytes()
    ]
