"""Chunk: the piece of a document that was retrieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ragtrace.model._digest import digest
from ragtrace.model._label import Label, LabelledRange
from ragtrace.model._origin import Origin
from ragtrace.model._source import Source

__all__ = ["Chunk", "Document", "Passage"]


@dataclass(frozen=True, slots=True)
class Document:
    """The logical document a chunk is a piece of."""

    id: str
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What a framework handed over, before anybody has labelled it.

    Attributes:
        metadata: The framework's metadata, read only for labels, ids and sources.
        rank: Place in the result, counted from 0.
        score: As the store gave it; its direction is the store's.
        unplaced: Whether nobody can tell that this is the text which the metadata is about; its
            label is the strictest.
    """

    text: str
    source: Source
    metadata: dict[str, object]
    id: str | None = None
    rank: int = 0
    score: float | None = None
    unplaced: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A retrieved piece of text with its label.

    Attributes:
        label: The label of the chunk outside ``ranges``.
        basis: Who labelled it: ``metadata:KEY``, ``tenant:KEY``, ``source:RULE``, ``msip``,
            ``ifc``, ``acl:KEY``, ``registry``, ``front-matter:KEY``, ``unlabelled``,
            ``unplaced``, and of its parts ``ranges:KEY``, ``section:RULE``, ``pii``; several
            joined by ``+``.
        ranges: Parts that carry a label of their own, in order, not overlapping.
        origins: What a derived text was made from, the strictest first; empty for a document.
        copied: Characters of a derived text that are copies: of a document, or of the question.
            Who finds only these has found no more than what was copied.
        released: Why it is judged by its own label alone and not by its origins' as well; empty
            where nothing releases it.
    """

    id: str
    document: Document
    source: Source
    text: str
    digest: str
    label: Label
    basis: str
    ranges: tuple[LabelledRange, ...] = ()
    rank: int = 0
    score: float | None = None
    origins: tuple[Origin, ...] = ()
    copied: tuple[tuple[int, int], ...] = ()
    released: str = ""

    def at(self, rank: int, score: float | None) -> Self:
        """The same chunk at another place of a result; ``replace`` takes four times as long."""
        if rank == self.rank and score is self.score:
            return self
        return type(self)(
            self.id,
            self.document,
            self.source,
            self.text,
            self.digest,
            self.label,
            self.basis,
            self.ranges,
            rank,
            score,
            self.origins,
            self.copied,
            self.released,
        )

    @classmethod
    def unjudged(cls, passage: Passage, level: str) -> Self:
        """A passage that could not be labelled, at ``level``: with its own name and no metadata."""
        name = digest(passage.text)
        own = str(passage.id or name[:16])
        return cls(
            id=own,
            document=Document(own),
            source=passage.source,
            text=passage.text,
            digest=name,
            label=Label(level),
            basis="judge-error",
            rank=passage.rank,
            score=passage.score,
        )
