"""Verdicts: of chunks found in the same messages, which are there on their own account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._cover import EXPLAINED_SHARE
from ragtrace.attribution._evidence import Coverage, evidence
from ragtrace.attribution._fold import Places
from ragtrace.attribution._run import MIN_RUN, Runs

__all__ = ["CERTAIN", "Found", "found"]

CERTAIN: Final = 24
"""Unique grams in a chain from which a chunk is certain: 39 unbroken symbols, about 49
characters. 0 false in 22,623 decisions among 8 documents, 4 and 1 in 800 documents that were
looked for in 250 KB of their own domain (attribution notes)."""

GROUP: Final = 32
"""Other chunks named beside one. A footer that 2,000 documents share would name 4 million."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is worth reporting, and how it is judged.

    Attributes:
        runs: Sorted by chunk, then by start.
        evidence: For each, the unique grams of its chain.
        bounds: Where the runs of each chunk begin, and where the last one's end.
        certain: For each chunk, whether it is there on its own account.
        explained: For each chunk, whether certain ones account for all that was found of it.
        whole: For each chunk, whether a run is all of it.
    """

    runs: Runs
    evidence: Places
    bounds: Places
    certain: NDArray[np.bool_]
    explained: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    def groups(self) -> Iterator[tuple[int, ...]]:
        """For each chunk the numbers of others that share its places; none if it is certain.

        At most GROUP, and none that is itself explained.
        """
        others: _Neighbours | None = None
        for at, certain in enumerate(self.certain.tolist()):
            if certain:
                yield ()
                continue
            others = others or _Neighbours(self)
            yield others.of(at)


def found(runs: Runs, view: Places, sizes: Places) -> Found:
    """Judge all chunks of which anything was found.

    A chunk is certain where a chain of CERTAIN unique grams is there, or all of it, in a place
    that is not just part of what another has there. The others are explained where what was
    found of them stands in certain ones, but for what could be chance or a small edit; else
    they are ambiguous.

    Args:
        runs: Every run, of SURELY_FOUND symbols or more, or all of a shorter chunk.
        view: The view that each is in.
        sizes: Symbols of the chunk that each is of.
    """
    order = np.lexsort((runs.start, runs.chunk))
    runs, view, sizes = runs.take(order), view[order], sizes[order]
    strength = evidence(runs, view)
    whole = runs.length == sizes
    kept = ((runs.length >= MIN_RUN) | (strength >= CERTAIN) | whole).nonzero()[0]
    alone = np.zeros(len(runs), bool)
    for at in (whole & (strength < CERTAIN)).nonzero()[0].tolist():
        around = (runs.start <= runs.start[at]) & (runs.end >= runs.end[at])
        alone[at] = not (around & (runs.chunk != runs.chunk[at])).any()
    sure = ((strength >= CERTAIN) | alone)[kept]
    runs, strength, whole = runs.take(kept), strength[kept], whole[kept]
    edges = np.ones(len(runs) + 1, bool)
    edges[1:-1] = runs.chunk[1:] != runs.chunk[:-1]
    bounds = edges.nonzero()[0]
    first = bounds[:-1]
    certain = _any(sure, first)
    return Found(
        runs,
        strength,
        bounds,
        certain,
        _explained(runs, first, certain),
        _any(whole, first),
    )


def _any(flags: NDArray[np.bool_], first: Places) -> NDArray[np.bool_]:
    return np.logical_or.reduceat(flags, first) if len(flags) else flags


def _explained(runs: Runs, first: Places, certain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if certain.all() or not certain.any():
        return np.zeros(len(certain), bool)
    of = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(runs))))
    by = certain[of]
    cover = Coverage.counting(runs.start[by], runs.end[by], (1, len(runs)))
    missing = runs.length - cover.between(runs.start, runs.end)
    little = np.add.reduceat(missing, first) <= np.add.reduceat(runs.length, first) * (
        1 - EXPLAINED_SHARE
    )
    return little & (np.maximum.reduceat(missing, first) < MIN_RUN) & ~certain


class _Neighbours:
    """Which chunks have a place in common."""

    def __init__(self, found: Found) -> None:
        runs, of = found.runs, np.repeat(np.arange(len(found.certain)), np.diff(found.bounds))
        named = ~found.explained[of]
        order = runs.start[named].argsort(kind="stable")
        start, end = runs.start[named][order], runs.end[named][order]
        # Those that begin before a run's end, and of these none before the first that may reach it.
        self._until = np.searchsorted(start, runs.end).tolist()
        self._since = np.searchsorted(np.maximum.accumulate(end), runs.start, "right").tolist()
        self._starts, self._bounds = runs.start.tolist(), found.bounds.tolist()
        self._of, self._ends = of[named][order].tolist(), end.tolist()

    def of(self, number: int) -> tuple[int, ...]:
        """Others with a place in common with chunk ``number``, at most GROUP of them."""
        others: set[int] = set()
        for at in range(self._bounds[number], self._bounds[number + 1]):
            start = self._starts[at]
            for other in range(self._since[at], self._until[at]):
                if self._ends[other] > start and self._of[other] != number:
                    others.add(self._of[other])
                    if len(others) == GROUP:
                        return tuple(sorted(others))
        return tuple(sorted(others))
