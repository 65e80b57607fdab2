"""Corpus: every document of a knowledge base, to be found in any text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from ragtrace.attribution._fold import Places
from ragtrace.attribution._reading import Reading, read
from ragtrace.attribution.corpus._held import HeldDocument, held_document
from ragtrace.attribution.corpus._key import Key, resolve_key
from ragtrace.attribution.corpus._manifest import MANIFEST_FILE, read_manifest
from ragtrace.attribution.corpus._passage import CorpusPassage
from ragtrace.attribution.corpus._passages import passages
from ragtrace.attribution.corpus._runs import find_runs
from ragtrace.attribution.corpus._seeds import SEED, Seeds, code_points
from ragtrace.attribution.corpus._snapshot import Snapshot, open_snapshot
from ragtrace.errors import CorpusIndexError
from ragtrace.model import Message

__all__ = ["Corpus", "CorpusStats"]

_MESSAGE: Final = 1 << 40
"""Characters kept apart for one message, more than a text can have."""

TRIES: Final = 5
"""Times a manifest is read anew because a writer deleted a file meanwhile; twice is rare."""


@dataclass(frozen=True, slots=True)
class CorpusStats:
    """How large an index is.

    Attributes:
        documents: Those that count, by id.
        removed: Parts of documents that a merge will drop.
        short: Parts with fewer than 24 symbols, which are never found.
        seeds: Entries, removed documents' included.
        symbols: Letters and digits of all that counts.
        size: Bytes on disk.
    """

    documents: int
    removed: int
    short: int
    segments: int
    seeds: int
    symbols: int
    size: int


class Corpus:
    """An index open for reading, as it was when it was opened or last refreshed.

    Promise: a run of MIN_FOUND symbols or more that a text shares with an indexed document
    is found, and so is a whole document of SEED symbols or more. What is reported has at
    least two seeds of 24 symbols in a row in common with the document, or is all of it.

    Any number of threads and processes may read, also while one writes. Made by ``open``.
    """

    __slots__ = ("_directory", "_key", "_seeds", "_snapshot", "_stamp", "_verify")

    def __init__(self, directory: Path, key: Key, *, verify: bool) -> None:
        self._directory, self._key, self._verify = directory, key, verify
        self._seeds = Seeds(key)
        self._snapshot: Snapshot | None = None
        self._stamp: tuple[int, ...] = ()
        self.refresh()

    @classmethod
    def open(
        cls, path: str | Path, key: bytes | str | Path | None = None, *, verify: bool = True
    ) -> Corpus:
        """The index in a directory.

        Args:
            path: The directory.
            key: The secret of 32 bytes, or the file that holds it; without one, the file
                ``key`` in the directory.
            verify: Whether to compare all checksums, which reads the whole index: 0.2 s for
                a million chunks. Without it a damaged index may miss what is in it.

        Raises:
            CorpusIndexError: There is no index, it is damaged, or the key is another one's.
        """
        directory = Path(path)
        read_manifest(directory)  # to say that there is no index rather than no key
        return cls(directory, resolve_key(directory, key), verify=verify)

    def refresh(self) -> bool:
        """Take up what was committed since; tells whether there was anything.

        Costs one look at a file's times where there was not.

        Raises:
            CorpusIndexError: As ``open``; what was open stays open.
        """
        path = self._directory / MANIFEST_FILE
        for left in reversed(range(TRIES)):
            stamp = self._stamped(path)
            if stamp == self._stamp:
                return False
            manifest = read_manifest(self._directory)
            try:
                self._snapshot = open_snapshot(
                    self._directory, manifest, self._key, verify=self._verify, before=self._snapshot
                )
            except CorpusIndexError:
                # A commit in between deletes the files of the one before.
                if not left or self._stamped(path) == stamp:
                    raise
                continue
            self._stamp = stamp
            break
        return True

    def scan(self, text: str) -> list[CorpusPassage]:
        """The stretches of ``text`` that indexed documents hold, in order of their starts.

        Raises:
            CorpusIndexError: The index is damaged.
        """
        return [passage for _, passage in self.scan_reading(read([Message("user", text)]))]

    def scan_reading(self, reading: Reading) -> list[tuple[int, CorpusPassage]]:
        """The same for messages that were read already, each with the number of its message.

        Raises:
            CorpusIndexError: The index is damaged.
        """
        found = self.scan_symbols(reading.symbols, _Characters(reading))
        if len(reading.views) > len(reading.texts):
            found = _each_once(found)
        placed = [(one.start // _MESSAGE, _within(one)) for one in found]
        return sorted(placed, key=lambda one: (one[0], one[1].start, -one[1].end))

    def scan_symbols(
        self, symbols: str, characters: Callable[[int, int], tuple[int, int]]
    ) -> list[CorpusPassage]:
        """The same for one view of a text.

        Args:
            symbols: Those of the view.
            characters: For a range of symbols, the range of characters they come from.
        """
        assert self._snapshot is not None
        if len(symbols) < SEED or not self._snapshot.segments:
            return []
        codes = code_points(symbols)
        hashes = self._seeds.everywhere(codes)
        segments = self._snapshot.segments
        found = [find_runs(held, hashes, codes, self._key) for held in segments]
        return passages(segments, found, characters)

    def document(self, id: str) -> HeldDocument | None:
        """What is held under an id; ``None`` where there is no such document.

        Raises:
            CorpusIndexError: The index is damaged.
        """
        assert self._snapshot is not None
        return held_document(self._snapshot, self._key, id)

    def stats(self) -> CorpusStats:
        """How large the index is; takes a moment for a large one."""
        assert self._snapshot is not None
        names, short, symbols = [np.zeros(0, np.uint64)], 0, 0
        for held in self._snapshot.segments:
            documents = held.segment.documents
            live = np.flatnonzero(held.counts(np.arange(held.size)))
            names.append(documents.names[live])
            lengths = documents.symbols[live]
            short += int(np.count_nonzero(lengths < SEED))
            symbols += int(lengths.sum(dtype=np.int64))
        entries = self._snapshot.manifest.segments
        return CorpusStats(
            documents=len(np.unique(np.concatenate(names))),
            removed=sum(held.removed for held in self._snapshot.segments),
            short=short,
            segments=len(entries),
            seeds=sum(entry.seeds for entry in entries),
            symbols=symbols,
            size=sum(entry.size for entry in entries)
            + sum(removed.size for removed in self._snapshot.manifest.removed.values()),
        )

    def _stamped(self, path: Path) -> tuple[int, ...]:
        try:
            seen = path.stat()
        except OSError as error:
            raise CorpusIndexError(f"{path}: {error.strerror or error}") from None
        return seen.st_mtime_ns, seen.st_ino, seen.st_size


class _Characters:
    """For a range of symbols of a reading, the range of characters they come from.

    Characters count on from message to message, _MESSAGE for each.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._offsets: dict[int, Places] = {}  # of the views with something in them

    def __call__(self, start: int, end: int) -> tuple[int, int]:
        view = int(self._reading.view_of(np.array([start]))[0])
        message, seen = self._reading.views[view]
        if view not in self._offsets:
            self._offsets[view] = seen.bones.offsets()
        edges = self._offsets[view][np.array([start, end - 1]) - self._reading.starts[view]]
        begins, ends = seen.origin(edges[:1], edges[1:])
        return message * _MESSAGE + int(begins[0]), message * _MESSAGE + int(ends[0])


def _within(passage: CorpusPassage) -> CorpusPassage:
    return replace(passage, start=passage.start % _MESSAGE, end=passage.end % _MESSAGE)


def _each_once(found: list[CorpusPassage]) -> list[CorpusPassage]:
    """Those of one text that several views have shown, whole or in part, put together."""
    last: dict[object, int] = {}
    kept: list[CorpusPassage] = []
    for passage in sorted(found, key=lambda one: one.start):
        whose = (passage.labels, passage.owners)
        before = kept[last[whose]] if whose in last else None
        if before is None or before.end <= passage.start:
            last[whose] = len(kept)
            kept.append(passage)
            continue
        end, symbols = max(before.end, passage.end), max(before.symbols, passage.symbols)
        kept[last[whose]] = replace(before, end=end, symbols=symbols)
    return kept
