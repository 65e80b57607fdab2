"""Batch: documents on their way into a segment, hashed many at a time."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._fold import fold_all
from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution.corpus._document import CorpusDocument
from ragtrace.attribution.corpus._documents import Documents, seeds_of, slots_of
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._pool import Pool
from ragtrace.attribution.corpus._seeds import STRIDE, Hashes, Seeds, code_points
from ragtrace.attribution.corpus._segment import SegmentEntry
from ragtrace.attribution.corpus._segment_file import write_segment
from ragtrace.model import Label

__all__ = ["BATCH", "Batch"]

BATCH: Final = 64_000_000
"""Characters of one batch: 3 million seeds, of which 25 MB of entries are made."""

PIECE: Final = 1 << 17
"""Characters folded and hashed at once: their hashes take 1 MB, which the caches hold."""

_PAD: Final = ["\0" * (-length % STRIDE) for length in range(STRIDE)]
"""What fills a document's last slot, by its length modulo STRIDE."""


class _Part(NamedTuple):
    """A text of one label, not yet looked at."""

    id: str
    name: int
    text: str
    label: int
    source: int


class Batch:
    """Documents that become one segment.

    Args:
        key: Of the index.
        seeds: Made of the same key.
    """

    def __init__(self, key: Key, seeds: Seeds) -> None:
        self._key, self._seeds = key, seeds
        self._ids: list[str] = []
        self._names = array("Q")
        self._digests: list[bytes] = []
        self._lengths = array("q")
        self._label_of = array("q")
        self._source_of = array("I")
        self._labels: dict[Label, int] = {}
        self._sources: dict[str, int] = {}
        self._piece: list[_Part] = []
        self._piece_size = 0
        self._hashes: list[Hashes] = []
        self.characters = 0

    def add(self, document: CorpusDocument, name: int) -> None:
        """Take in a document, under the hash of its id."""
        source = self._sources.setdefault(document.source.id, len(self._sources))
        for text, label in document.parts():
            number = self._labels.setdefault(label, len(self._labels))
            self._piece.append(_Part(document.id, name, text, number, source))
            self._piece_size += len(text)
        if self._piece_size >= PIECE:
            self._hash()

    def write(self, path: Path) -> SegmentEntry:
        """Write the segment; the batch is used up."""
        self._hash()
        lengths = np.frombuffer(self._lengths, np.int64)
        labels = np.frombuffer(self._label_of, np.int64)
        order = np.argsort(labels, kind="stable")
        slots = slots_of(lengths)
        ends = np.cumsum(slots[order])
        starts = np.empty(len(order), np.int64)
        starts[order] = ends - slots[order]
        shift = int(slots.sum()).bit_length()
        entries = self._entries(starts, seeds_of(lengths), shift)
        firsts = np.searchsorted(labels[order], np.arange(len(self._labels) + 1))
        documents = Documents(
            starts=np.concatenate([np.zeros(1, np.int64), ends]).astype(np.uint32),
            symbols=lengths[order].astype(np.uint32),
            names=np.frombuffer(self._names, np.uint64)[order],
            digests=np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 16)[order],
            sources=np.frombuffer(self._source_of, np.uint32)[order],
            label_firsts=firsts.astype(np.uint32),
            labels=list(self._labels),
            ids=Pool.of([self._ids[number] for number in order.tolist()]),
            source_pool=Pool.of(self._sources),
        )
        return write_segment(path, documents, [_Held(entries)], shift)

    def _entries(self, starts: NDArray[np.int64], counts: NDArray[np.int64], shift: int) -> Hashes:
        """Hashes with the slots they are at, in order."""
        entries = np.concatenate([np.zeros(0, np.uint64), *self._hashes])
        self._hashes = []
        entries >>= np.uint64(shift)
        entries <<= np.uint64(shift)
        before = np.cumsum(counts) - counts
        entries |= (np.repeat(starts - before, counts) + np.arange(len(entries))).view(np.uint64)
        entries.sort()
        return entries

    def _hash(self) -> None:
        """Take in the piece at hand: texts of ASCII one by one, the others all at once."""
        piece, self._piece = self._piece, []
        self.characters += self._piece_size
        self._piece_size = 0
        plain = [part for part in piece if part.text.isascii()]
        others = [part for part in piece if not part.text.isascii()]
        self._take(plain, [skeleton(part.text).symbols for part in plain])
        # Folding at once saves most of 7 us and more for each of them.
        codes, places = fold_all("".join(part.text for part in others))
        ends = np.searchsorted(places, np.cumsum([len(part.text) for part in others])).tolist()
        symbols = codes.tobytes().decode("utf-32-le")
        self._take(others, [symbols[a:b] for a, b in zip([0, *ends], ends, strict=False)])

    def _take(self, parts: list[_Part], bones: list[str]) -> None:
        """Keep what is known of each part, and the seeds that lie within one."""
        if not parts:
            return
        self._ids += [part.id for part in parts]
        self._names.extend([part.name for part in parts])
        self._label_of.extend([part.label for part in parts])
        self._source_of.extend([part.source for part in parts])
        self._digests += map(self._key.digest, bones)
        sizes = list(map(len, bones))
        self._lengths.extend(sizes)
        lengths = np.array(sizes, np.int64)
        padded = "".join([piece for b in bones for piece in (b, _PAD[len(b) % STRIDE])])
        if not padded:
            return
        hashes = self._seeds.stride(code_points(padded))
        slots, counts = slots_of(lengths), seeds_of(lengths)
        moves = (np.cumsum(slots) - slots) - (np.cumsum(counts) - counts)
        kept = np.repeat(moves, counts) + np.arange(int(counts.sum()))
        self._hashes.append(hashes.take(kept))


class _Held:
    """Sorted entries in memory."""

    def __init__(self, entries: Hashes) -> None:
        self._entries = entries

    def between(self, low: int, high: int) -> Hashes:
        first = int(np.searchsorted(self._entries, np.uint64(low)))
        if high >> 64:
            return self._entries[first:]
        return self._entries[first : int(np.searchsorted(self._entries, np.uint64(high)))]
