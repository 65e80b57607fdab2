"""Segment: one immutable file of seeds and documents, mapped into memory."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._documents import Documents
from ragtrace.attribution.corpus._labels import read_labels
from ragtrace.attribution.corpus._pool import Pool
from ragtrace.attribution.corpus._seeds import BLOCK, Hashes
from ragtrace.errors import CorpusIndexError

__all__ = ["MAGIC", "MAX_SHIFT", "PER_WORD", "SECTIONS", "Found", "Segment", "SegmentEntry", "bits"]

MAGIC: Final = b"ragtrace-corpus\n"

PER_WORD: Final = 8
"""Seeds of one filter word of 64 bits, hence also of one bucket. Two bits of a word say that a
seed may be there; 5.3 % of seeds that are not there pass."""

MAX_SHIFT: Final = 29
"""Bits of a seed's slot in its entry, so that 35 bits of its hash are kept, and the filter has
its 32. A segment thus holds up to 2^29 slots, about 9 million chunks of 1,200 characters."""

SECTIONS: Final[dict[str, Any]] = {
    "entries": np.uint64,
    "directory": np.uint32,
    "filter": np.uint64,
    "starts": np.uint32,
    "symbols": np.uint32,
    "names": np.uint64,
    "digests": np.uint8,
    "sources": np.uint32,
    "label_firsts": np.uint32,
    "labels": np.uint8,
    "id_offsets": np.uint32,
    "id_data": np.uint8,
    "source_offsets": np.uint32,
    "source_data": np.uint8,
}
"""What a segment's file holds, in order: name and element type."""


SMALL: Final = tuple(SECTIONS)[3:]
"""Those that grow with the documents and not with their length."""


class Section(NamedTuple):
    """Where an array stands in the file, in bytes, and the CRC-32 of it."""

    offset: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """What the manifest says of a segment.

    Attributes:
        shift: Bits of an entry that are the slot; the others are the top bits of the hash.
    """

    file: str
    size: int
    shift: int
    seeds: int
    documents: int
    sections: dict[str, Section]


class Found(NamedTuple):
    """Places of a text whose seed is in a segment, in order.

    Attributes:
        low: Where the entries of that seed begin.
        high: Where they end.
        keys: The hash bits of those entries, their slots 0.
    """

    places: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    keys: Hashes


def bits(hashes: Hashes, words: int, shift: int) -> tuple[Hashes, Hashes, Hashes]:
    """For each hash, its filter word (and bucket) of ``words``, and its two bits there.

    Only bits that an entry keeps have a say: the top 32, and the six above the slot. Words
    rise with hashes.
    """
    spread = hashes >> np.uint64(32)
    spread *= np.uint64(words)
    first = (spread >> np.uint64(26)) & np.uint64(63)
    spread >>= np.uint64(32)
    return spread, first, (hashes >> np.uint64(shift)) & np.uint64(63)


class Segment:
    """A segment, open for reading.

    Args:
        directory: The index.
        entry: What the manifest says of it.
        verify: Whether to compare the checksums of the seeds too, which reads all of them.
            Those of the documents are always compared.

    Raises:
        CorpusIndexError: It is not there, or not what the manifest says.
    """

    def __init__(self, directory: Path, entry: SegmentEntry, *, verify: bool) -> None:
        self.entry = entry
        self.path = directory / entry.file
        self._map = self._mapped()
        if self._map[: len(MAGIC)] != MAGIC:
            raise self._damaged("its beginning")
        self.verify(SECTIONS if verify else SMALL)
        columns = {name: self._section(name) for name in SECTIONS}
        self.entries: Hashes = columns["entries"]
        self._directory, self._filter = columns["directory"], columns["filter"]
        self.documents = self._documents(columns)
        self._check_shape()
        self._low = np.uint64((1 << entry.shift) - 1)

    def verify(self, sections: Iterable[str] = SECTIONS) -> None:
        """Compare checksums; 1 GB takes a quarter of a second where it is in memory.

        Raises:
            CorpusIndexError: One differs.
        """
        for name in sections:
            offset, size, crc = self.entry.sections[name]
            if zlib.crc32(memoryview(self._map)[offset : offset + size]) != crc:
                raise self._damaged(f"its {name}")

    def slots(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The slots of the entries at ``places``.

        Raises:
            CorpusIndexError: An entry names a slot that no document has.
        """
        found = (self.entries.take(places) & self._low).astype(np.int64)
        if len(found) and int(found.max()) >= self.documents.slots:
            raise self._damaged("an entry")
        return found

    def find(self, hashes: Hashes) -> Found:
        """The places of ``hashes`` (one for each place of a text) that are in this segment."""
        parts = [
            self._passing(hashes[start : start + BLOCK]) + start
            for start in range(0, len(hashes), BLOCK)
        ]
        places = np.concatenate([np.zeros(0, np.int64), *parts])
        keys = hashes.take(places)
        buckets = bits(keys, len(self._filter), self.entry.shift)[0].view(np.int64)
        keys &= ~self._low
        low = self._directory.take(buckets).astype(np.int64)
        end = self._directory.take(buckets + 1).astype(np.int64)
        if np.any(low > end) or np.any(end > len(self.entries)):
            raise self._damaged("its directory")
        low = self.first_from(keys, low, end)
        there = low < end
        there[there] = (self.entries.take(low[there]) & ~self._low) == keys[there]
        places, low, end, keys = places[there], low[there], end[there], keys[there]
        return Found(places, low, self.first_from(keys | self._low, low, end, after=True), keys)

    def _passing(self, hashes: Hashes) -> NDArray[np.int64]:
        """The places of those that the filter cannot rule out."""
        words, first, second = bits(hashes, len(self._filter), self.entry.shift)
        held = self._filter.take(words.view(np.int64))
        # Both bits must be set: shifting them to the bottom is faster than making a mask.
        np.right_shift(held, first, out=first)
        np.right_shift(held, second, out=second)
        first &= second
        first &= np.uint64(1)
        return np.flatnonzero(first.astype(np.bool_))  # of truth values it is five times as fast

    def first_from(
        self,
        keys: Hashes,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        *,
        after: bool = False,
    ) -> NDArray[np.int64]:
        """For each key, the first place from ``low`` to ``high`` whose entry is not below it.

        With ``after``, the first whose entry is above it.
        """
        low, high = low.copy(), high.copy()
        left = np.flatnonzero(low < high)
        while len(left):
            middle = (low[left] + high[left]) >> 1
            entry = self.entries.take(middle)
            below = entry <= keys[left] if after else entry < keys[left]
            low[left] = np.where(below, middle + 1, low[left])
            high[left] = np.where(below, high[left], middle)
            left = left[low[left] < high[left]]
        return low

    def between(self, bounds: Hashes) -> NDArray[np.int64]:
        """Where the entries from each of ``bounds`` on begin."""
        return np.searchsorted(self.entries, bounds).astype(np.int64)

    def _mapped(self) -> mmap.mmap:
        try:
            opened = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise CorpusIndexError(f"{self.path}: {error.strerror or error}") from None
        try:
            size = os.fstat(opened).st_size
            if size != self.entry.size:
                raise CorpusIndexError(
                    f"{self.path}: expected {self.entry.size} bytes, got {size}; "
                    "build the index again"
                )
            return mmap.mmap(opened, size, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:
            raise CorpusIndexError(f"{self.path}: {error}") from None
        finally:
            os.close(opened)

    def _section(self, name: str) -> NDArray[Any]:
        offset, size, _ = self.entry.sections[name]
        kind = np.dtype(SECTIONS[name])
        return np.frombuffer(self._map, kind, size // kind.itemsize, offset)

    def _documents(self, columns: dict[str, NDArray[Any]]) -> Documents:
        where = str(self.path)
        return Documents(
            starts=columns["starts"],
            symbols=columns["symbols"],
            names=columns["names"],
            digests=columns["digests"].reshape(-1, 16),
            sources=columns["sources"],
            label_firsts=columns["label_firsts"],
            labels=read_labels(columns["labels"].tobytes(), where),
            ids=Pool(columns["id_offsets"], columns["id_data"], where),
            source_pool=Pool(columns["source_offsets"], columns["source_data"], where),
        )

    def _check_shape(self) -> None:
        """Arrays that belong together are of one length, so that no look-up leaves them."""
        documents, count = self.documents, self.entry.documents
        lengths = {
            len(documents.symbols),
            len(documents.names),
            len(documents.digests),
            len(documents.sources),
            len(documents.starts) - 1,
            len(documents.ids),
        }
        if (
            lengths != {count}
            or len(self.entries) != self.entry.seeds
            or len(self._directory) != len(self._filter) + 1
            or len(documents.label_firsts) != len(documents.labels) + 1
        ):
            raise self._damaged("its table of sections")

    def _damaged(self, what: str) -> CorpusIndexError:
        return CorpusIndexError(f"{self.path}: {what} is damaged; build the index again")
