"""Corpus: labelled text in a prompt that no retrieval of this process has brought there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ragtrace.errors import CorpusIndexError
from ragtrace.labels import Lattice
from ragtrace.model import Attribution, Chunk, Document, Message, Span, digest

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus, CorpusPassage

__all__ = ["in_corpus"]

_log = logging.getLogger("ragtrace")

BASIS: Final = "corpus"
"""What a label of such text is based on."""


def in_corpus(
    corpus: Corpus, lattice: Lattice, messages: Sequence[Message]
) -> Iterator[tuple[Chunk, Attribution]]:
    """The passages of ``messages`` that the index knows, each as a chunk of its own.

    The text of the chunk is that of the message: the index holds none. Boilerplate, which more
    documents hold than can be told apart, is left out.

    Raises:
        CorpusIndexError: The index is damaged.
    """
    _refresh(corpus)
    for number, message in enumerate(messages):
        for passage in corpus.scan(message.text):
            if not passage.boilerplate:
                chunk = _chunk(passage, message.text[passage.start : passage.end], lattice)
                yield chunk, _attribution(passage, chunk, number)


def _refresh(corpus: Corpus) -> None:
    try:
        corpus.refresh()
    except CorpusIndexError as error:
        _log.warning("ragtrace: the corpus index stays as it was: %s", error)


def _chunk(passage: CorpusPassage, text: str, lattice: Lattice) -> Chunk:
    """Who may read the passage in one document may read it: the least strict label counts."""
    label = min(passage.labels, key=lambda one: lattice.rank(one.level))
    owner = next((one for one in passage.owners if one.label == label), passage.owners[0])
    document = Document(owner.document)
    return Chunk(owner.document, document, owner.source, text, digest(text), label, BASIS)


def _attribution(passage: CorpusPassage, chunk: Chunk, number: int) -> Attribution:
    span = Span(
        number, passage.start, passage.end, 0, len(chunk.text), passage.symbols, verbatim=True
    )
    return Attribution(chunk.digest, "certain", (span,), whole=True)
