"""Draft: a change of the index in the making; nobody sees it before it is committed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._batch import Batch
from ragtrace.attribution.corpus._files import sync_directory, sync_file, told, write_file
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._manifest import Manifest, RemovedEntry, write_manifest
from ragtrace.attribution.corpus._merge import merge_segments
from ragtrace.attribution.corpus._segment import Segment, SegmentEntry
from ragtrace.attribution.corpus._snapshot import OpenSegment, Snapshot
from ragtrace.attribution.corpus._tiers import to_merge

__all__ = ["PATTERNS", "Draft"]

PATTERNS: Final = ("segment-*", "removed-*", "*.tmp")
"""Files an index consists of; those no manifest speaks of are left by a writer that died."""


class Draft:
    """New files beside those of ``before``, until ``commit`` makes them the index.

    Args:
        afresh: Begin with nothing instead of with what ``before`` holds.
    """

    def __init__(
        self, directory: Path, key: Key, before: Snapshot, *, afresh: bool = False
    ) -> None:
        self._directory, self._key, self._before = directory, key, before
        self._next = before.manifest.next
        self._made: list[Path] = []
        self.segments = [] if afresh else list(before.segments)

    def write(self, batch: Batch) -> None:
        """Put in the documents of a batch."""
        with told(self._directory):
            self._opened(batch.write(self._new("segment")))

    def remove(self, names: NDArray[np.uint64], ids: frozenset[str]) -> set[str]:
        """Take out the documents of these ids, ``names`` being the hashes of them.

        Returns:
            Those of ``ids`` that were there.
        """
        return self._take_out(names, ids, len(self.segments))

    def replace(self, names: NDArray[np.uint64], old: int) -> None:
        """Take out of the first ``old`` segments the documents that the others hold anew."""
        if old == 0:
            return
        names = np.sort(names)
        columns = [held.segment.documents.names for held in self.segments[:old]]
        both = np.concatenate([np.zeros(0, np.uint64), *(c[_among(c, names)] for c in columns)])
        both = np.unique(both)
        ids: set[str] = set()
        for held in self.segments[old:]:
            documents = held.segment.documents
            there = np.flatnonzero(_among(documents.names, both))
            ids.update(documents.ids[number] for number in there.tolist())
        self._take_out(both, frozenset(ids), old)

    def merge(self, groups: Iterable[Sequence[OpenSegment]]) -> None:
        """Make one segment of each group."""
        for group in groups:
            path = self._new("segment")
            with told(self._directory):
                entry = merge_segments(path, group)
            self.segments = [held for held in self.segments if held not in group]
            if entry is not None:
                self._opened(entry)

    def commit(self) -> Manifest:
        """Make this the index. What is no longer part of it is deleted; readers keep theirs."""
        self.segments = [held for held in self.segments if held.removed < held.size]
        self.merge(to_merge(self.segments))
        removed = dict(self._lists())
        entries = tuple(held.segment.entry for held in self.segments)
        manifest = Manifest(self._before.manifest.check, self._next, entries, removed)
        for path in self._made:
            if path.name in manifest.files:
                sync_file(path)
        sync_directory(self._directory)
        write_manifest(self._directory, manifest)
        return manifest

    def _take_out(self, names: NDArray[np.uint64], ids: frozenset[str], old: int) -> set[str]:
        found: set[str] = set()
        names = np.sort(names)
        for place, held in enumerate(self.segments[:old]):
            documents = held.segment.documents
            there = np.flatnonzero(_among(documents.names, names))
            there = there[held.counts(there)]
            # Two ids may have one hash, however seldom: the ids themselves decide.
            gone = {n: id for n in there.tolist() if (id := documents.ids[n]) in ids}
            if gone:
                live = np.ones(held.size, np.bool_) if held.live is None else held.live.copy()
                live[list(gone)] = False
                self.segments[place] = OpenSegment(held.segment, live)
                found.update(gone.values())
        return found

    def _new(self, kind: str) -> Path:
        path = self._directory / f"{kind}-{self._next:08d}"
        self._next += 1
        self._made.append(path)
        return path

    def _opened(self, entry: SegmentEntry) -> None:
        self.segments.append(OpenSegment(Segment(self._directory, entry, verify=False), None))

    def _lists(self) -> Iterator[tuple[str, RemovedEntry]]:
        """By segment file, the list of its removed documents."""
        for held in self.segments:
            if held.live is None:
                continue
            if held in self._before.segments:
                before = self._before.manifest.removed
                yield held.segment.entry.file, before[held.segment.entry.file]
                continue
            data = np.flatnonzero(~held.live).astype(np.uint32).tobytes()
            path = self._new("removed")
            write_file(path, data)
            yield held.segment.entry.file, RemovedEntry(path.name, len(data), zlib.crc32(data))


def _among(names: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of ``names`` are among ``wanted``, which is in order.

    To add one document to a million takes 10 ms with it, and 700 with ``np.isin``, which sorts
    the million.
    """
    if not len(wanted):
        return np.zeros(len(names), np.bool_)
    places = np.minimum(np.searchsorted(wanted, names), len(wanted) - 1)
    found: NDArray[np.bool_] = wanted[places] == names
    return found
