"""Passages: the runs of all segments, put together by what a reader of them asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._passage import CorpusOwner, CorpusPassage
from ragtrace.attribution.corpus._runs import Runs
from ragtrace.attribution.corpus._seeds import SEED, STRIDE
from ragtrace.attribution.corpus._snapshot import OpenSegment
from ragtrace.model import Label, Source

__all__ = ["BOILERPLATE", "passages"]

BOILERPLATE: Final = 4
"""Documents beyond which a text is boilerplate: it tells nobody's words (footers, licences).
In 163,000 chunks of real documentation a tenth of the seeds are (attribution notes)."""

OWNERS: Final = 8
"""Documents named of those that hold a passage; more help no reader."""

EDGE: Final = STRIDE - 1
"""Symbols that a run may go on for at either end without another seed to prove it. Runs that
differ by no more are taken for the same text."""

FLOOD: Final = 4096
"""Stretches beyond which those within another of the same label are left out: they say nothing
more about the text, and a text made to match everything must not take for ever."""

_LONG: Final = 1 << 32
"""More symbols than a text has; keeps documents apart in one sort key."""

Numbers = NDArray[np.int64]


class _Stretches(NamedTuple):
    """Stretches of the text, each of one document; in order of their starts.

    Attributes:
        documents: Numbers over all segments.
        labels: Numbers over all segments.
    """

    starts: Numbers
    ends: Numbers
    documents: Numbers
    labels: Numbers

    def joined(self) -> _Stretches:
        """Those of one document that overlap by a seed made one: it has every seed of it."""
        order = np.lexsort((self.starts, self.documents))
        keys = self.documents[order]
        starts, ends = keys * _LONG + self.starts[order], keys * _LONG + self.ends[order]
        reach = np.maximum.accumulate(ends)
        begins = np.flatnonzero(np.concatenate([[True], starts[1:] > reach[:-1] - SEED]))
        lasts = np.append(begins[1:], len(starts)) - 1
        starts, ends = starts[begins] % _LONG, reach[lasts] % _LONG
        kept = order[begins]
        again = np.lexsort((-ends, starts))
        return _Stretches(
            starts[again],
            ends[again],
            self.documents[kept][again],
            self.labels[kept][again],
        )

    def thinned(self) -> _Stretches:
        """Without those that lie in another of the same label."""
        order = np.lexsort((-self.ends, self.starts, self.labels))
        ends = self.labels[order] * _LONG + self.ends[order]
        before = np.concatenate([[-1], np.maximum.accumulate(ends)[:-1]])
        kept = np.sort(order[ends > before])
        return _Stretches(*(column[kept] for column in self))


class _Held(NamedTuple):
    """A passage before its documents are named."""

    start: int
    end: int
    documents: Numbers
    labels: tuple[int, ...]


def passages(
    segments: Sequence[OpenSegment],
    found: Sequence[Runs | None],
    characters: Callable[[int, int], tuple[int, int]],
) -> list[CorpusPassage]:
    """What the runs say, in order of their starts, longer before shorter.

    A stretch within another of the same labels is left out: it says nothing more about how
    far the text may travel.

    Args:
        segments: Of the index.
        found: The runs of each of them.
        characters: For a range of symbols, the range of characters they come from.
    """
    firsts = np.cumsum([0, *(held.size for held in segments)])
    labels: dict[Label, int] = {}
    stretches = _stretches(segments, found, firsts, labels)
    if stretches is None:
        return []
    flood = len(stretches.starts) > FLOOD
    crowds = _crowds(found) if flood or any(runs and runs.crowded for runs in found) else None
    if flood:
        stretches = stretches.thinned()
    names = list(labels)
    said = []
    for held in _distinct(stretches):
        start, end = characters(held.start, held.end)
        owners = _owners(segments, firsts, held.documents)
        copies = max(len(held.documents), _copies(crowds, held))
        said.append(
            CorpusPassage(
                start=start,
                end=end,
                symbols=held.end - held.start,
                owners=owners,
                labels=tuple(names[number] for number in held.labels),
                copies=copies,
                boilerplate=copies > BOILERPLATE,
            )
        )
    return said


def _stretches(
    segments: Sequence[OpenSegment],
    found: Sequence[Runs | None],
    firsts: Numbers,
    labels: dict[Label, int],
) -> _Stretches | None:
    parts = []
    for held, first, runs in zip(segments, firsts.tolist(), found, strict=False):
        if runs is None:
            continue
        documents = held.segment.documents
        numbers = documents.label_numbers(runs.documents)
        used, places = np.unique(numbers, return_inverse=True)
        known = [labels.setdefault(documents.labels[n], len(labels)) for n in used.tolist()]
        mapped = np.array(known, np.int64)[places]
        parts.append((runs.starts, runs.ends, runs.documents + first, mapped))
    if not parts:
        return None
    whole = _Stretches(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return whole.joined()


def _distinct(stretches: _Stretches) -> list[_Held]:
    """One of each text, with the documents that hold all of it."""
    ranges = dict.fromkeys(zip(stretches.starts.tolist(), stretches.ends.tolist(), strict=True))
    longest = int((stretches.ends - stretches.starts).max())
    kept: list[_Held] = []
    near: dict[int, list[_Held]] = {}
    for start, end in sorted(ranges, key=lambda r: (r[0] - r[1], r[0])):
        around = [h for n in (-1, 0, 1) for h in near.get(start // STRIDE + n, ())]
        if any(abs(h.start - start) <= EDGE and abs(h.end - end) <= EDGE for h in around):
            continue
        held = _holders(stretches, start, end, longest)
        near.setdefault(start // STRIDE, []).append(held)
        kept.append(held)
    kept.sort(key=lambda held: (held.start, -held.end))
    return _telling(kept)


def _holders(stretches: _Stretches, start: int, end: int, longest: int) -> _Held:
    first = int(np.searchsorted(stretches.starts, end - EDGE - longest))
    last = int(np.searchsorted(stretches.starts, start + EDGE, "right"))
    holding = first + np.flatnonzero(stretches.ends[first:last] >= end - EDGE)
    labels = np.unique(stretches.labels[holding]).tolist()
    return _Held(start, end, np.unique(stretches.documents[holding]), tuple(labels))


def _telling(kept: list[_Held]) -> list[_Held]:
    """Without those that lie in another of the same labels; ``kept`` is in order of starts."""
    by_labels: dict[tuple[int, ...], list[int]] = {}
    for place, held in enumerate(kept):
        by_labels.setdefault(held.labels, []).append(place)
    dropped = set()
    for places in by_labels.values():
        starts = np.array([kept[place].start for place in places])
        ends = np.array([kept[place].end for place in places])
        longest = int((ends - starts).max())
        lows = np.searchsorted(starts, ends - EDGE - longest)
        highs = np.searchsorted(starts, starts + EDGE, "right")
        for number, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
            around = ends[low:high] >= ends[number] - EDGE
            longer = ends[low:high] - starts[low:high] > ends[number] - starts[number]
            if np.any(around & longer):
                dropped.add(places[number])
    return [held for place, held in enumerate(kept) if place not in dropped]


def _crowds(found: Sequence[Runs | None]) -> Numbers:
    """From each place on, entries of the STRIDE seeds there: one for each copy of the text."""
    sizes = np.sum([runs.sizes for runs in found if runs is not None], axis=0)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    windows: Numbers = before[STRIDE:] - before[:-STRIDE]
    return windows


def _copies(crowds: Numbers | None, held: _Held) -> int:
    """How many documents hold a passage at most; 0 where they were counted."""
    if crowds is None:
        return 0
    first, last = held.start, held.end - SEED - EDGE
    if last < first:
        return 0  # a short document, which is found by itself
    edge = min(EDGE, (last - first) // 2)
    return int(crowds[first + edge : last - edge + 1].min())


def _owners(
    segments: Sequence[OpenSegment], firsts: Numbers, documents: Numbers
) -> tuple[CorpusOwner, ...]:
    owners = set()
    for number in documents[: OWNERS * OWNERS].tolist():
        place = int(np.searchsorted(firsts, number, "right")) - 1
        held, local = segments[place].segment.documents, number - int(firsts[place])
        label = held.labels[int(held.label_numbers(np.array([local]))[0])]
        source = Source(held.source_pool[int(held.sources[local])])
        owners.add(CorpusOwner(held.ids[local], source, label))
    return tuple(sorted(owners, key=lambda owner: (owner.document, owner.label.level))[:OWNERS])
