"""Passage: a stretch of a text that is a stretch of an indexed document."""

from __future__ import annotations

from dataclasses import dataclass

from ragtrace.attribution.corpus._seeds import SEED, STRIDE
from ragtrace.model import Label, Source

__all__ = ["CorpusOwner", "CorpusPassage"]


@dataclass(frozen=True, slots=True)
class CorpusOwner:
    """A document that holds a passage."""

    document: str
    source: Source
    label: Label


@dataclass(frozen=True, slots=True)
class CorpusPassage:
    """Characters ``start`` to ``end`` (exclusive) of a text that an indexed document holds.

    What is proved is reported: the text may share up to 15 symbols more at either end.

    Attributes:
        symbols: Letters and digits of the stretch, at least.
        owners: Documents that hold all of it, the first few by id; one at least.
        labels: The labels of all documents that hold all of it, each once.
        copies: How many documents hold all of it, exact up to a few dozen; beyond, an upper
            bound that may count removed ones.
        boilerplate: Whether so many hold it that it tells nobody's words.
    """

    start: int
    end: int
    symbols: int
    owners: tuple[CorpusOwner, ...]
    labels: tuple[Label, ...]
    copies: int
    boilerplate: bool

    @property
    def whole(self) -> bool:
        """Whether it was found because all of a document is there, too short for two seeds."""
        return self.symbols < SEED + STRIDE

    @property
    def document(self) -> str:
        """The id of the first of its owners."""
        return self.owners[0].document

    @property
    def source(self) -> Source:
        """Where the first of its owners comes from."""
        return self.owners[0].source

    @property
    def label(self) -> Label:
        """The label of the first of its owners; ``labels`` are those to be judged by."""
        return self.owners[0].label
