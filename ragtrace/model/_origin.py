"""Origin: a document that a derived text was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ragtrace.model._label import Label

__all__ = ["Evidence", "Origin"]

Evidence = Literal["certain", "text", "taint"]
"""How it is known that a document is behind a text: ``certain``, its words stand in it;
``text``, a few of them do, too few to act on; ``taint``, it was in the prompt that the text was
made from, and none of its words is found."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A document behind a text that a model, or a retriever, made.

    Attributes:
        document: Id of the document.
        source: Id of its source.
        digest: Of the chunk that was in the prompt.
        label: Of those parts of it that were there.
        evidence: How it is known.
    """

    document: str
    source: str
    digest: str
    label: Label
    evidence: Evidence = "taint"
