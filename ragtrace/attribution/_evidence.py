"""Evidence: how much of what was found of a chunk no other chunk has."""

from __future__ import annotations

from typing import Final

import numpy as np

from ragtrace.attribution._fold import Places
from ragtrace.attribution._run import Runs

__all__ = ["Coverage", "evidence", "unions"]

GRAM: Final = 16
"""Symbols of the pieces that evidence is counted in (attribution notes, K=16)."""

GAP: Final = 96
"""Symbols between two runs of one chain at most: a line number, a replaced word or a tag cuts a
copy in two, and what is farther away is another quotation."""

DRIFT: Final = 24
"""Symbols by which a chain may slip at one gap: what was put in or left out there."""


class Coverage:
    """How much of a row is held, counted from its beginning: a broken line between edges."""

    def __init__(self, edges: Places, held: Places) -> None:
        self._edges, self._held = edges, held

    def between(self, start: Places, end: Places) -> Places:
        """Places held from ``start`` to ``end``."""
        both = np.interp(np.concatenate([start, end]), self._edges, self._held)
        held: Places = np.rint(both[len(start) :] - both[: len(start)]).astype(np.int64)
        return held

    @classmethod
    def counting(cls, start: Places, end: Places, copies: tuple[int, int]) -> Coverage:
        """What is held by at least ``copies[0]`` of the stretches and at most ``copies[1]``."""
        edges = np.concatenate([start, end])
        order = edges.argsort(kind="stable")
        edges, count = edges[order], np.where(order < len(start), 1, -1).cumsum()
        counted = (count >= copies[0]) & (count <= copies[1])
        held = np.zeros(len(edges), np.int64)
        np.cumsum((edges[1:] - edges[:-1]) * counted[:-1], out=held[1:])
        return cls(edges, held)


def unions(chunk: Places, start: Places, end: Places) -> tuple[Places, Places]:
    """For each chunk the fewest stretches that hold its stretches: their starts and ends.

    The stretches are sorted by chunk, then by start.
    """
    if not len(chunk):
        return start, end
    apart = chunk * (int(end.max()) + 1)
    reached = np.maximum.accumulate(apart + end)
    edge = np.ones(len(chunk) + 1, bool)
    edge[1:-1] = (apart + start)[1:] > reached[:-1]
    return start[edge[:-1]], (reached - apart)[edge[1:]]


def evidence(runs: Runs, view: Places) -> Places:
    """For each run, the unique grams of the chain that it is in.

    A gram of GRAM symbols is unique if no other chunk has it there. A chain is runs of one chunk
    that follow each other nearly along one diagonal, as those of one edited copy do.
    Summed over a whole prompt, chance hits would add up; along a chain they do not.

    Args:
        runs: Sorted by chunk, then by start; all that were found.
        view: The view that each run is in; no chain goes from one into another.
    """
    grams = np.maximum(runs.end - GRAM + 1, runs.start + 1)
    if _disjoint(runs.start, grams):
        unique = grams - runs.start
    else:
        once = Coverage.counting(*unions(runs.chunk, runs.start, grams), (1, 1))
        unique = once.between(runs.start, grams)
    strong = unique.nonzero()[0]
    total = np.zeros(len(runs), np.int64)
    if not len(strong):
        return total
    some, unique, view = runs.take(strong), unique[strong], view[strong]
    diagonal = some.diagonal
    apart = np.zeros(len(some), bool)
    apart[1:] = (
        (some.chunk[1:] != some.chunk[:-1])
        | (view[1:] != view[:-1])
        | (some.start[1:] - some.end[:-1] > GAP)
        | (abs(diagonal[1:] - diagonal[:-1]) > DRIFT)
    )
    chain = apart.cumsum()
    total[strong] = np.bincount(chain, unique).astype(np.int64)[chain]
    return total


def _disjoint(start: Places, end: Places) -> bool:
    """Whether no two stretches have a place in common, as where each document stands once."""
    order = start.argsort()
    return bool((start[order[1:]] >= end[order[:-1]]).all())
