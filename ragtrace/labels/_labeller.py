"""Labeller: turns what a framework handed over into labelled chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ragtrace.labels._front_matter import Fields, FrontMatter
from ragtrace.labels._lattice import Lattice
from ragtrace.labels._mark import Mark
from ragtrace.labels._pii import PiiFinder
from ragtrace.labels._registry import Kept, Registry
from ragtrace.labels._rules import LabelKeys, SectionRule, SourceRule, as_text
from ragtrace.labels._tlp import tlp_name
from ragtrace.model import Chunk, Document, Label, LabelledRange, Passage, digest

__all__ = ["Labeller"]

_DOCUMENT_KEYS = ("document_id", "doc_id", "ref_doc_id", "parent_id", "id")
"""Where loaders and splitters keep the id of the whole document, most specific first."""

_URI_KEYS = ("uri", "url", "source", "file_path", "path")
"""Where loaders keep where the document came from; ``source`` is LangChain's."""

_LEVEL_GIVEN = ("metadata:", "source:", "msip", "ifc", "registry")
"""Who says how confidential a text is. A tenant and a list of readers do not."""

KINDS: Final = 256
"""Levels of which there is one label: most passages are of a few, and what is the same is compared
quicker than what is equal."""

_FRONT_MATTER = "front-matter:"
"""Before the key of a text's own front matter."""


@dataclass(frozen=True, slots=True)
class Labeller:
    """Labels passages by metadata, source, section and text; of several labels, their join.

    Attributes:
        unlabelled: The level of a passage nobody has labelled.
        marks: Ways of marking documents that are not the policy's own.
        registry: What is known of texts by their digest.
        pii: Finds personal data, which gets labels of its own.
        front_matter: Reads what a text says of itself, where its loader has left it there.
    """

    lattice: Lattice
    keys: LabelKeys
    sources: tuple[SourceRule, ...]
    sections: tuple[SectionRule, ...]
    unlabelled: str
    marks: tuple[Mark, ...] = ()
    registry: Registry | None = None
    pii: PiiFinder | None = None
    front_matter: FrontMatter | None = None

    def label(self, passage: Passage) -> Chunk:
        """The chunk that ``passage`` is, with its label and who gave it.

        Metadata of the wrong type counts as a label nobody knows, hence as the strictest.
        """
        uris = _several(passage.metadata, _URI_KEYS)
        uri = uris[0] if uris else None
        name = digest(passage.text)
        kept = self.registry.get(name) if self.registry is not None else None
        front = self.front_matter.read(passage.text) if self.front_matter is not None else None
        given = [
            *self._from_metadata(passage.metadata),
            *self._from_sources(passage, uris),
            *self._from_marks(passage.metadata),
            *([("registry", kept.label)] if kept is not None and kept.label is not None else []),
            *(self._from_front_matter(front) if front is not None else []),
        ]
        if passage.unplaced:
            given.append(("unplaced", Label(self.lattice.strictest)))
        if not any(self._gives_level(basis) for basis, _ in given):
            given.append(("unlabelled", Label(self.unlabelled)))
        parts = list(self._parts(passage, name, kept, front))
        chunk_id = passage.id or _first(passage.metadata, ("chunk_id", "id")) or name[:16]
        return Chunk(
            id=chunk_id,
            document=Document(_first(passage.metadata, _DOCUMENT_KEYS) or uri or chunk_id, uri),
            source=passage.source,
            text=passage.text,
            digest=name,
            label=self.lattice.join(label for _, label in given),
            basis="+".join(dict.fromkeys(basis for basis, _ in [*given, *parts])),
            ranges=self._flatten([part for _, part in parts]),
            rank=passage.rank,
            score=passage.score,
        )

    def effective(self, chunk: Chunk) -> Label:
        """The label of the whole chunk: its own joined with those of its ranges."""
        if not chunk.ranges:
            return chunk.label
        return self.lattice.join([chunk.label, *(part.label for part in chunk.ranges)])

    def _level(self, value: object) -> str:
        name = as_text(value)
        names = dict(self.keys.names) if self.keys.names else {}
        if self.keys.tlp and name not in names and name not in self.lattice.levels:
            colour = tlp_name(name)
            if colour is not None:
                return dict(self.keys.tlp).get(colour, self.lattice.strictest)
        return names.get(name, name)

    def _gives_level(self, basis: str) -> bool:
        if basis.startswith(_FRONT_MATTER):
            counts = self.front_matter is not None and self.front_matter.labels
            return counts and basis.removeprefix(_FRONT_MATTER) in self.keys.level
        return basis.startswith(_LEVEL_GIVEN)

    def _from_metadata(self, metadata: Mapping[str, object]) -> Iterable[tuple[str, Label]]:
        for key in self.keys.level:
            if metadata.get(key) is not None:
                yield f"metadata:{key}", _plain(self._level(metadata[key]))
        tenant = metadata.get(self.keys.tenant) if self.keys.tenant else None
        if tenant is not None:
            yield (
                f"tenant:{self.keys.tenant}",
                Label(self.lattice.least, frozenset({f"tenant:{as_text(tenant)}"})),
            )

    def _from_sources(self, passage: Passage, uris: list[str]) -> Iterable[tuple[str, Label]]:
        for rule in self.sources:
            # Whichever of its addresses a document is known by, the rule is about the document.
            if any(rule.matches(passage, uri) for uri in uris or [""]):
                yield f"source:{rule.id}", rule.label

    def _from_marks(self, metadata: Mapping[str, object]) -> Iterable[tuple[str, Label]]:
        for mark in self.marks:
            yield from mark.labels(metadata, self.lattice)

    def _from_front_matter(self, front: Fields) -> Iterable[tuple[str, Label]]:
        if front.said is None:
            yield "front-matter", Label(self.lattice.strictest)
            return
        for basis, label in (*self._from_metadata(front.said), *self._from_marks(front.said)):
            yield _FRONT_MATTER + (basis.partition(":")[2] or basis), label

    def _parts(
        self, passage: Passage, name: str, kept: Kept | None, front: Fields | None
    ) -> Iterator[tuple[str, LabelledRange]]:
        """Who labels a part of the text, and the part; they may overlap."""
        text, key = passage.text, self.keys.ranges
        for part in self._listed(passage.metadata.get(key) if key else None, len(text)):
            yield f"ranges:{key}", part
        if front is not None and front.said is not None:
            for part in self._listed(front.said.get(key) if key else None, len(text) - front.start):
                start, end = part.start + front.start, min(part.end + front.words, len(text))
                yield f"{_FRONT_MATTER}{key}", LabelledRange(start, end, part.label)
        for rule in self.sections:
            for start, end in rule.sections(text):
                yield f"section:{rule.id}", LabelledRange(start, end, rule.label)
        for part in kept.ranges if kept is not None else ():
            yield "registry", _within(part, len(text))
        if self.pii is not None and (kept is None or self.pii.looked_for not in kept.looked_for):
            for part in self.pii.ranges(text, name):
                yield "pii", part

    def _listed(self, listed: object, length: int) -> Iterable[LabelledRange]:
        """Ranges given in metadata; anything unreadable restricts the whole text.

        So does a range that is not in this text: it is about the text this was cut from.
        """
        if _is_empty(listed):
            return
        if isinstance(listed, str):  # stores that keep only scalars hold the list as JSON
            try:
                listed = json.loads(listed)
            except (ValueError, RecursionError):
                listed = None
        if not isinstance(listed, list | tuple):
            yield LabelledRange(0, length, Label(self.lattice.strictest))
            return
        for item in listed:
            try:
                start, end = _offset(item["start"]), _offset(item["end"])
                level = self._level(item.get("label", self.lattice.strictest))
            except (TypeError, KeyError, ValueError, AttributeError):
                start, end, level = 0, length, self.lattice.strictest
            if not 0 <= start <= end or (start >= length and start != end):
                start, end, level = 0, length, self.lattice.strictest
            if start < min(length, end):
                yield LabelledRange(start, min(length, end), Label(level))

    def _flatten(self, parts: list[LabelledRange]) -> tuple[LabelledRange, ...]:
        """The same ranges in order and disjoint; where two overlap, the join holds."""
        if not parts:
            return ()
        cuts = sorted({edge for part in parts for edge in (part.start, part.end)})
        waiting = sorted(parts, key=lambda part: part.start, reverse=True)
        over: dict[Label, int] = {}  # the labels that hold here, and how far they do
        flat: list[LabelledRange] = []
        for start, end in pairwise(cuts):
            over = {label: until for label, until in over.items() if until > start}
            while waiting and waiting[-1].start <= start:
                part = waiting.pop()
                over[part.label] = max(part.end, over.get(part.label, 0))
            if not over:
                continue
            label = self.lattice.join(over)
            if flat and flat[-1].end == start and flat[-1].label == label:
                start = flat.pop().start
            flat.append(LabelledRange(start, end, label))
        return tuple(flat)


_plain: Final = lru_cache(KINDS)(Label)


def _within(part: LabelledRange, length: int) -> LabelledRange:
    """``part``; all of the text where it goes beyond its end, and so is about another."""
    return part if part.end <= length else LabelledRange(0, length, part.label)


def _several(metadata: dict[str, object], keys: tuple[str, ...]) -> list[str]:
    return [
        as_text(metadata[key]) for key in keys if key in metadata and not _is_empty(metadata[key])
    ]


def _first(metadata: dict[str, object], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if not _is_empty(value := metadata.get(key)):
            return as_text(value)
    return None


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple) and not value)


def _offset(value: object) -> int:
    """A place in a text; a fraction or a truth value is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("expected a number")
    if isinstance(value, float) and not value.is_integer():  # also what is not finite
        raise ValueError("expected a whole number")
    return int(value)
