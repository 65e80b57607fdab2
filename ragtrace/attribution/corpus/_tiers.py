"""Tiers: which segments are merged, so that few are left and little is written again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.attribution.corpus._segment import MAX_SHIFT
from ragtrace.attribution.corpus._snapshot import OpenSegment

__all__ = ["may_merge", "to_merge"]

RATIO: Final = 4
"""A segment is at least so many times all smaller ones together: at most 11 segments hold 50
million seeds, and usually three do. With 2 there are twice as many, and a text is looked up in
each; with 8 every addition is written again twice as often."""

REMOVED_SHARE: Final = 4
"""A segment of whose documents one in so many is removed is written anew without them."""


def to_merge(segments: Sequence[OpenSegment]) -> list[list[OpenSegment]]:
    """The groups of segments of which each should become one."""
    ordered = sorted(segments, key=_size, reverse=True)
    group: list[OpenSegment] = []
    for place, segment in enumerate(ordered):
        smaller = ordered[place + 1 :]
        if smaller and _size(segment) < RATIO * sum(map(_size, smaller)):
            group = ordered[place:]
            break
    while group and not may_merge(group):
        del group[0]  # the largest: it stays as it is
    groups = [group] if len(group) > 1 else []
    thin = [s for s in segments if s.removed * REMOVED_SHARE > s.size]
    return groups + [[segment] for segment in thin if segment not in group]


def may_merge(group: Sequence[OpenSegment]) -> bool:
    """Whether one segment has room for all of them."""
    return sum(s.segment.documents.slots for s in group).bit_length() <= MAX_SHIFT


def _size(segment: OpenSegment) -> int:
    return segment.segment.entry.seeds + segment.size
