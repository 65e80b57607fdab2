"""Manifest: the one small file that says what the index is; replacing it is a commit."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution.corpus._files import replace_file
from ragtrace.attribution.corpus._seeds import SEED, STRIDE
from ragtrace.attribution.corpus._segment import MAX_SHIFT, SECTIONS, Section, SegmentEntry
from ragtrace.errors import CorpusIndexError

__all__ = ["MANIFEST_FILE", "Manifest", "RemovedEntry", "read_manifest", "write_manifest"]

MANIFEST_FILE: Final = "manifest"
FORMAT: Final = "ragtrace corpus index"
VERSION: Final = 1

FOLDED: Final = "Größe ŒUVRE ﬁle ½ é\u0301 Ά \u044f 退款 هذا यह 👍🏽 \u200b \uff21\uff11 \u0430"
"""Text of many scripts: seeds made with another folding of it would find nothing."""


@dataclass(frozen=True, slots=True)
class RemovedEntry:
    """The file that lists a segment's removed documents."""

    file: str
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in the index.

    Attributes:
        next: The number of the next file.
        check: Tells whether a key is the one the index was made with.
        removed: By segment file, the list of its documents that no longer count.
    """

    check: str
    next: int = 0
    segments: tuple[SegmentEntry, ...] = ()
    removed: dict[str, RemovedEntry] = field(default_factory=dict)

    @property
    def files(self) -> set[str]:
        """Every file it speaks of."""
        return {s.file for s in self.segments} | {r.file for r in self.removed.values()}


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Commit: from here on this is the index, whatever happens."""
    said = {"format": FORMAT, "version": VERSION, "seed": SEED, "stride": STRIDE, "fold": _fold()}
    body = json.dumps(said | asdict(manifest), ensure_ascii=True, sort_keys=True).encode("ascii")
    replace_file(directory / MANIFEST_FILE, body + b"\n%08x\n" % zlib.crc32(body))


def read_manifest(directory: Path) -> Manifest:
    """What the index in ``directory`` is made of.

    Raises:
        CorpusIndexError: There is none, it is damaged, or it is of another kind or version.
    """
    path = directory / MANIFEST_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorpusIndexError(
            f"{directory}: expected an index here; make one with `ragtrace index build`"
        ) from None
    except OSError as error:
        raise CorpusIndexError(f"{path}: {error.strerror or error}") from None
    body, _, crc = data.rstrip(b"\n").rpartition(b"\n")
    if data != body + b"\n" + crc + b"\n" or crc != b"%08x" % zlib.crc32(body):
        raise CorpusIndexError(f"{path}: it is damaged; build the index again")
    try:
        said = json.loads(body)
        _check_kind(path, said)
        return _manifest(said)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CorpusIndexError(f"{path}: expected the manifest of a corpus index") from None


def _check_kind(path: Path, said: dict[str, Any]) -> None:
    for key, ours in (("format", FORMAT), ("version", VERSION), ("seed", SEED), ("stride", STRIDE)):
        if said[key] != ours:
            raise CorpusIndexError(f"{path}: expected {key} {ours}, got {said[key]}")
    if said["fold"] != _fold():
        raise CorpusIndexError(
            f"{path}: made by a ragtrace that folds letters differently; build the index again"
        )


def _manifest(said: dict[str, Any]) -> Manifest:
    segments = tuple(_segment(entry) for entry in said["segments"])
    removed = {name: RemovedEntry(**entry) for name, entry in said["removed"].items()}
    return Manifest(str(said["check"]), int(said["next"]), segments, removed)


def _segment(said: dict[str, Any]) -> SegmentEntry:
    sections = {name: Section(*said["sections"][name]) for name in SECTIONS}
    end = max(offset + size for offset, size, _ in sections.values())
    if not 0 <= said["shift"] <= MAX_SHIFT or end > said["size"]:
        raise ValueError("sections")
    return SegmentEntry(**{**said, "sections": sections})


@cache
def _fold() -> int:
    return zlib.crc32(skeleton(FOLDED).symbols.encode("utf-8", "surrogatepass"))
