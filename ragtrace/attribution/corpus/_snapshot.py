"""Snapshot: the segments of one manifest, open, with what of them no longer counts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._manifest import Manifest, RemovedEntry
from ragtrace.attribution.corpus._segment import Segment
from ragtrace.errors import CorpusIndexError

__all__ = ["OpenSegment", "Snapshot", "open_snapshot"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenSegment:
    """A segment and which of its documents count.

    Attributes:
        live: One truth value a document; ``None`` where all count.
    """

    segment: Segment
    live: NDArray[np.bool_] | None

    def counts(self, documents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these documents count."""
        if self.live is None:
            return np.ones(len(documents), np.bool_)
        return self.live.take(documents)

    @property
    def size(self) -> int:
        """Documents, whether they count or not."""
        return len(self.segment.documents)

    @property
    def removed(self) -> int:
        """Documents that no longer count."""
        return 0 if self.live is None else int(len(self.live) - np.count_nonzero(self.live))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index as one manifest has it; later commits leave it as it is."""

    manifest: Manifest
    segments: tuple[OpenSegment, ...]


def open_snapshot(
    directory: Path, manifest: Manifest, key: Key, *, verify: bool, before: Snapshot | None = None
) -> Snapshot:
    """Open what ``manifest`` speaks of; segments that ``before`` has open are kept.

    Raises:
        CorpusIndexError: The key is another one's, or a file is not what the manifest says.
    """
    if key.check != manifest.check:
        raise CorpusIndexError(f"{directory}: expected the key this index was made with")
    known = {s.segment.entry.file: s.segment for s in (before.segments if before else ())}
    opened = []
    for entry in manifest.segments:
        segment = known.get(entry.file)
        if segment is None or segment.entry != entry:
            segment = Segment(directory, entry, verify=verify)
        removed = manifest.removed.get(entry.file)
        live = None if removed is None else _live(directory, removed, entry.documents)
        opened.append(OpenSegment(segment, live))
    return Snapshot(manifest, tuple(opened))


def _live(directory: Path, removed: RemovedEntry, documents: int) -> NDArray[np.bool_]:
    path = directory / removed.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusIndexError(f"{path}: {error.strerror or error}") from None
    if len(data) != removed.size or zlib.crc32(data) != removed.crc:
        raise CorpusIndexError(f"{path}: it is damaged; build the index again")
    numbers = np.frombuffer(data, np.uint32)
    if len(numbers) and int(numbers.max()) >= documents:
        raise CorpusIndexError(f"{path}: expected numbers below {documents}")
    live = np.ones(documents, np.bool_)
    live[numbers] = False
    return live
