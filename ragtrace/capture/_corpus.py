"""Corpus: labelled text in a prompt that no retrieval of this process has brought there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ragtrace.attribution import Reading
from ragtrace.errors import CorpusIndexError
from ragtrace.labels import Lattice
from ragtrace.model import Attribution, Audience, Chunk, Document, Label, Span, digest

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus, CorpusPassage

__all__ = ["in_corpus"]

_log = logging.getLogger("ragtrace")

BASIS: Final = "corpus"
"""What a label of such text is based on."""


def in_corpus(
    corpus: Corpus, lattice: Lattice, audience: Audience, reading: Reading
) -> Iterator[tuple[Chunk, Attribution]]:
    """The passages of some messages that the index knows, each as a chunk of its own.

    The text of the chunk is that of the message: the index holds none. Its label is the one of
    its documents' that the audience may see, if there is one: who may read the passage in one
    document may read it. That holds of boilerplate too, which many documents have.

    Raises:
        CorpusIndexError: The index is damaged.
    """
    _refresh(corpus)
    for number, passage in corpus.scan_reading(reading):
        text = reading.texts[number][passage.start : passage.end]
        chunk = _chunk(passage, text, _label(passage.labels, lattice, audience))
        yield chunk, _attribution(passage, chunk, number)


def _refresh(corpus: Corpus) -> None:
    try:
        corpus.refresh()
    except CorpusIndexError as error:
        _log.warning("ragtrace: the corpus index stays as it was: %s", error)


def _label(labels: Sequence[Label], lattice: Lattice, audience: Audience) -> Label:
    permitted = [label for label in labels if lattice.permits(audience, label)]
    return min(permitted or labels, key=lambda label: lattice.rank(label.level))


def _chunk(passage: CorpusPassage, text: str, label: Label) -> Chunk:
    owner = next((one for one in passage.owners if one.label == label), passage.owners[0])
    document = Document(owner.document)
    return Chunk(owner.document, document, owner.source, text, digest(text), label, BASIS)


def _attribution(passage: CorpusPassage, chunk: Chunk, number: int) -> Attribution:
    span = Span(
        number, passage.start, passage.end, 0, len(chunk.text), passage.symbols, verbatim=True
    )
    return Attribution(chunk.digest, "certain", (span,), whole=passage.whole)
