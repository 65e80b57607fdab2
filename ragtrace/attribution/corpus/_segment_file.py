"""Segment file: sorted runs of seeds become one segment on disk, part by part."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._documents import Documents
from ragtrace.attribution.corpus._labels import write_labels
from ragtrace.attribution.corpus._seeds import Hashes
from ragtrace.attribution.corpus._segment import (
    MAGIC,
    PER_WORD,
    SECTIONS,
    Section,
    SegmentEntry,
    bits,
)
from ragtrace.errors import CorpusIndexError

__all__ = ["SortedRun", "write_segment"]

PART_WORDS: Final = 1 << 17
"""Filter words, hence PER_WORD times as many seeds, in memory at once: 8 MB an array."""

ALIGN: Final = 64
"""Sections begin at a multiple of a cache line."""


class SortedRun(Protocol):
    """Entries in order, numbered as in the segment that is being written."""

    def between(self, low: int, high: int) -> Hashes:
        """Those from ``low`` to ``high`` (exclusive; 2^64 is allowed)."""
        ...


def write_segment(
    path: Path, documents: Documents, runs: Sequence[SortedRun], shift: int
) -> SegmentEntry:
    """Write the segment of ``documents``, whose seeds are in ``runs``; it is not yet durable.

    Memory is that of one part of the seeds and of the documents' columns, whatever the size.

    Raises:
        CorpusIndexError: The runs do not hold the seeds the documents have.
    """
    seeds = documents.seeds()
    words = max(1, -(-seeds // PER_WORD))
    columns = _columns(documents)
    sizes = {"entries": 8 * seeds, "directory": 4 * (words + 1), "filter": 8 * words}
    sizes |= {name: column.nbytes for name, column in columns.items()}
    with _SegmentFile(path, sizes) as file:
        written = 0
        for entries, counts, filled in _parts(runs, words, shift):
            file.append("entries", entries)
            file.append("directory", (np.cumsum(counts) - counts + written).astype(np.uint32))
            file.append("filter", filled)
            written += len(entries)
        if written != seeds:
            raise CorpusIndexError(
                f"{path}: expected {seeds} seeds, got {written}; a segment it is made of is damaged"
            )
        file.append("directory", np.array([written], np.uint32))
        for name, column in columns.items():
            file.append(name, column)
    return SegmentEntry(path.name, file.size, shift, seeds, len(documents), file.sections())


def _columns(documents: Documents) -> dict[str, NDArray[Any]]:
    return {
        "starts": documents.starts,
        "symbols": documents.symbols,
        "names": documents.names,
        "digests": documents.digests,
        "sources": documents.sources,
        "label_firsts": documents.label_firsts,
        "labels": np.frombuffer(write_labels(documents.labels), np.uint8),
        "id_offsets": documents.ids.offsets,
        "id_data": documents.ids.data,
        "source_offsets": documents.source_pool.offsets,
        "source_data": documents.source_pool.data,
    }


def _parts(
    runs: Sequence[SortedRun], words: int, shift: int
) -> Iterator[tuple[Hashes, NDArray[np.int64], Hashes]]:
    """Entries in order with, for each bucket of theirs, how many they are and its filter word."""
    for first in range(0, words, PART_WORDS):
        last = min(first + PART_WORDS, words)
        low, high = (-(-(edge << 32) // words) << 32 for edge in (first, last))
        entries = np.concatenate([run.between(low, high) for run in runs])
        # Timsort merges runs that are sorted already: 5 to 15 ns a seed, and 60 otherwise.
        entries.sort(kind="stable")
        word, one, two = bits(entries, words, shift)
        word -= np.uint64(first)
        counts = np.bincount(word.view(np.int64), minlength=last - first).astype(np.int64)
        filled = np.zeros(last - first, np.uint64)
        if len(entries):
            marks = (np.uint64(1) << one) | (np.uint64(1) << two)
            held = np.flatnonzero(counts)
            begins = (np.cumsum(counts) - counts)[held]
            filled[held] = np.bitwise_or.reduceat(marks, begins)
        yield entries, counts, filled


class _SegmentFile:
    """A file whose sections grow side by side, each to a size known beforehand."""

    def __init__(self, path: Path, sizes: dict[str, int]) -> None:
        self._path = path
        self._begins: dict[str, int] = {}
        place = len(MAGIC)
        for name in SECTIONS:
            place = -(-place // ALIGN) * ALIGN
            self._begins[name] = place
            place += sizes[name]
        self.size = max(place, ALIGN)
        self._sizes = sizes
        self._ends = dict(self._begins)
        self._crcs = dict.fromkeys(SECTIONS, 0)

    def __enter__(self) -> _SegmentFile:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.ftruncate(self._file, self.size)
            os.pwrite(self._file, MAGIC, 0)
        except OSError:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def append(self, name: str, array: NDArray[Any]) -> None:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        self._crcs[name] = zlib.crc32(data, self._crcs[name])
        while data:
            written = os.pwrite(self._file, data, self._ends[name])
            self._ends[name] += written
            data = data[written:]

    def sections(self) -> dict[str, Section]:
        return {
            name: Section(begin, self._sizes[name], self._crcs[name])
            for name, begin in self._begins.items()
        }
