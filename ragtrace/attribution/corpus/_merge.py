"""Merge: several segments become one, without the documents that no longer count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._documents import Documents
from ragtrace.attribution.corpus._pool import Pool
from ragtrace.attribution.corpus._seeds import Hashes
from ragtrace.attribution.corpus._segment import Segment, SegmentEntry
from ragtrace.attribution.corpus._segment_file import write_segment
from ragtrace.attribution.corpus._snapshot import OpenSegment
from ragtrace.model import Label

__all__ = ["merge_segments"]

GONE: Final = -(1 << 62)
"""How far the slots of a removed document move: out of any index."""


class _Stretch(NamedTuple):
    """Documents in a row of one source, of one label, that all count or all do not."""

    source: int
    first: int
    last: int
    label: Label
    live: bool


def merge_segments(path: Path, sources: Sequence[OpenSegment]) -> SegmentEntry | None:
    """Write one segment of all that counts in ``sources``; ``None`` where nothing does.

    Raises:
        CorpusIndexError: A source is damaged: its checksums are compared first.
    """
    for source in sources:
        source.segment.verify()
    found = [list(_stretches(number, source)) for number, source in enumerate(sources)]
    kept = [stretch for stretches in found for stretch in stretches if stretch.live]
    if not kept:
        return None
    labels = {label: number for number, label in enumerate(dict.fromkeys(s.label for s in kept))}
    kept.sort(key=lambda stretch: (labels[stretch.label], stretch.source, stretch.first))
    documents = _documents([s.segment.documents for s in sources], kept, labels)
    shift = max(documents.slots.bit_length(), *(s.segment.entry.shift for s in sources))
    begins: dict[_Stretch, int] = {}
    place = 0
    for stretch in kept:
        begins[stretch] = int(documents.starts[place])
        place += stretch.last - stretch.first
    runs = [
        _Moved(source.segment, stretches, [begins.get(s) for s in stretches], shift)
        for source, stretches in zip(sources, found, strict=True)
    ]
    return write_segment(path, documents, runs, shift)


def _stretches(number: int, source: OpenSegment) -> Iterator[_Stretch]:
    documents = source.segment.documents
    live = np.ones(len(documents), np.bool_) if source.live is None else source.live
    turns = np.flatnonzero(live[1:] != live[:-1]) + 1
    cuts = np.unique(np.concatenate([documents.label_firsts.astype(np.int64), turns]))
    numbers = documents.label_numbers(cuts[:-1])
    for first, last, label in zip(
        cuts[:-1].tolist(), cuts[1:].tolist(), numbers.tolist(), strict=True
    ):
        yield _Stretch(number, first, last, documents.labels[label], bool(live[first]))


def _documents(
    sources: Sequence[Documents], kept: Sequence[_Stretch], labels: dict[Label, int]
) -> Documents:
    """The columns of the merged segment, in the order of ``kept``."""
    slots = _column(kept, [np.diff(d.starts.astype(np.int64)) for d in sources])
    numbers, names = _sources(kept, sources)
    counts = np.zeros(len(labels), np.int64)
    for stretch in kept:
        counts[labels[stretch.label]] += stretch.last - stretch.first
    zero = np.zeros(1, np.int64)
    return Documents(
        starts=np.concatenate([zero, np.cumsum(slots)]).astype(np.uint32),
        symbols=_column(kept, [d.symbols for d in sources]),
        names=_column(kept, [d.names for d in sources]),
        digests=_column(kept, [d.digests for d in sources]),
        sources=numbers,
        label_firsts=np.concatenate([zero, np.cumsum(counts)]).astype(np.uint32),
        labels=list(labels),
        ids=Pool.joined([sources[s.source].ids.part(s.first, s.last) for s in kept]),
        source_pool=Pool.of(names),
    )


def _column(kept: Sequence[_Stretch], columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([columns[s.source][s.first : s.last] for s in kept])


def _sources(
    kept: Sequence[_Stretch], sources: Sequence[Documents]
) -> tuple[NDArray[np.uint32], list[str]]:
    """Numbers of the documents' sources, and the names of those that are still used."""
    numbers: dict[str, int] = {}
    renumbered = []
    for documents in sources:
        names = [documents.source_pool[n] for n in range(len(documents.source_pool))]
        mapped = [numbers.setdefault(name, len(numbers)) for name in names]
        renumbered.append(np.array(mapped, np.int64).take(documents.sources))
    used, column = np.unique(_column(kept, renumbered), return_inverse=True)
    names = list(numbers)
    return column.astype(np.uint32), [names[number] for number in used.tolist()]


class _Moved:
    """The entries of a source, with the slots they get in the merged segment.

    Args:
        stretches: All of the source's, in order.
        begins: The new first slot of each; ``None`` where its documents do not count.
        shift: Of the merged segment, not below the source's: hash bits are only lost.
    """

    def __init__(
        self,
        segment: Segment,
        stretches: Sequence[_Stretch],
        begins: Sequence[int | None],
        shift: int,
    ) -> None:
        self._segment, self._shift = segment, np.uint64(shift)
        old = segment.documents.starts[[s.first for s in stretches]].astype(np.int64)
        moves = [GONE if new is None else new - was for new, was in zip(begins, old, strict=True)]
        self._old, self._moves = old, np.array(moves, np.int64)

    def between(self, low: int, high: int) -> Hashes:
        entries = self._segment.entries
        first = int(np.searchsorted(entries, np.uint64(low)))
        last = len(entries)
        if not high >> 64:
            last = int(np.searchsorted(entries, np.uint64(high)))
        places = np.arange(first, last)
        slots = self._segment.slots(places)
        if len(self._moves) == 1:
            slots += self._moves[0]
        else:
            # A stretch without slots begins where the next one does, which comes after it.
            slots += self._moves[np.searchsorted(self._old, slots, "right") - 1]
        kept = (entries[first:last] >> self._shift) << self._shift
        kept |= slots.view(np.uint64)
        return kept if int(self._moves.min()) > GONE else kept[slots >= 0]
