"""Document: a text to be recognised, with its label and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ragtrace.model import Label, LabelledRange, Source

__all__ = ["CorpusDocument"]


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """A whole document, as it is put into the index; chunks of it need no entry of their own.

    Attributes:
        id: Names the document in the index; adding the same id again replaces it.
        label: The label of the text outside ``ranges``.
        ranges: Parts that carry a label of their own, in order, not overlapping.
    """

    id: str
    text: str
    label: Label
    source: Source
    ranges: tuple[LabelledRange, ...] = ()

    def parts(self) -> Iterator[tuple[str, Label]]:
        """Its texts of one label each, in order; all of it where there are no ranges."""
        place = 0
        for part in self.ranges:
            if part.start > place:
                yield self.text[place : part.start], self.label
            yield self.text[part.start : part.end], part.label
            place = part.end
        if place < len(self.text) or not self.ranges:
            yield self.text[place:], self.label
