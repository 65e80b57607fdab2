"""Then and now: what was retrieved, held against the documents as they are today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Protocol, get_args

from ragtrace.attribution.corpus import Corpus, CorpusDocument
from ragtrace.errors import StoreError
from ragtrace.model import Label, digest
from ragtrace.store import FlowRow, Reader

__all__ = ["Change", "FiledToday", "IndexedToday", "Retrieved", "ThenAndNow", "then_and_now"]

Change = Literal["same", "relabelled", "changed", "vanished", "unknown"]
"""``same``: the document has that very text today, under the same label. ``relabelled``: under
another one. ``changed``: the document is there, and its text is another one. ``vanished``: no
document has that id. ``unknown``: it cannot be told; the reason is beside it."""


EDGES: Final = 15
"""Symbols at either end of a passage that the index does not report."""


class Today(Protocol):
    """The documents as they are now."""

    def labels(self, document: str) -> tuple[Label, ...] | None:
        """Of the parts of a document; ``None`` where there is none of that id."""

    def has(self, document: str, name: str, text: str | None) -> bool | None:
        """Whether the document holds the text of digest ``name``; ``None`` if it cannot be told.

        Args:
            document: Its id.
            name: Digest of the text that was retrieved.
            text: That text itself, where it is kept.
        """


@dataclass(frozen=True, slots=True)
class _Filed:
    text: str
    digest: str
    labels: tuple[Label, ...]


class FiledToday:
    """Documents read from files.

    Args:
        documents: All of them; of two with one id the later counts.
    """

    def __init__(self, documents: Iterable[CorpusDocument]) -> None:
        self._documents = {
            one.id: _Filed(
                one.text,
                digest(one.text),
                tuple(dict.fromkeys(label for text, label in one.parts() if text)) or (one.label,),
            )
            for one in documents
        }

    def labels(self, document: str) -> tuple[Label, ...] | None:
        """Of the parts of a document."""
        found = self._documents.get(document)
        return None if found is None else found.labels

    def has(self, document: str, name: str, text: str | None) -> bool | None:
        """Whether it is that text, or one that this is a piece of."""
        found = self._documents[document]
        if found.digest == name:
            return True
        return None if text is None else text in found.text


class IndexedToday:
    """Documents of a corpus index: it holds keyed digests of letters and digits, and no text."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def labels(self, document: str) -> tuple[Label, ...] | None:
        """Of the parts of a document."""
        found = self._corpus.document(document)
        return None if found is None else found.labels

    def has(self, document: str, name: str, text: str | None) -> bool | None:
        """Whether the digest of its letters and digits is that of the text.

        Of a document with several labels each part has a digest, and of one that was retrieved
        in pieces the whole has: where the text does not match it is looked for, and what of it is
        in the document in one run counts as being there. Up to 15 symbols at either end may then
        be others.
        """
        found = self._corpus.document(document)
        if found is None or text is None:
            return None
        return found.has(text) or self._stands_in(document, text)

    def _stands_in(self, document: str, text: str) -> bool | None:
        passages = [
            one
            for one in self._corpus.scan(text)
            if any(owner.document == document for owner in one.owners)
        ]
        wanted = sum(map(str.isalnum, text))
        if wanted < EDGES * 2:
            return None  # too short to be looked for
        return any(one.symbols >= wanted - 2 * EDGES for one in passages)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """One retrieved chunk, and what has become of it since.

    Attributes:
        levels: Of the document's parts today.
        reason: Why it is unknown.
    """

    span_id: str
    document: str
    digest: str
    source: str
    rank: int
    score: float | None
    level: str
    levels: tuple[str, ...]
    change: Change
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class ThenAndNow:
    """The answer to ``ragtrace replay --against``.

    Attributes:
        chunks: In the order in which they were retrieved.
    """

    trace_id: str
    chunks: tuple[Retrieved, ...] = field(default=())

    @property
    def counts(self) -> dict[Change, int]:
        """Chunks by what has become of them; every change is there."""
        counted = Counter(one.change for one in self.chunks)
        return {name: counted[name] for name in get_args(Change)}

    def as_json(self) -> dict[str, Any]:
        """Give the answer as one tree."""
        return {
            "trace_id": self.trace_id,
            "counts": self.counts,
            "chunks": [one.as_json() for one in self.chunks],
        }


def then_and_now(reader: Reader, id: str, today: Today) -> ThenAndNow:
    """Compare what a trace retrieved with the documents of today, digest against digest.

    Args:
        reader: Gives the trace, and the texts where more than a digest is needed.
        id: Of the trace, or a prefix of it; ``TRACE/SPAN`` for one retrieval.
        today: ``FiledToday`` or ``IndexedToday``.

    Raises:
        TraceNotFoundError: No trace, or more than one, begins so.
        StoreError: The store cannot be read.
    """
    whole, _, chosen = id.partition("/")
    trace = reader.trace(whole)
    flows = [
        one for one in trace.flows if one.stage == "retrieval" and one.span_id.startswith(chosen)
    ]
    try:
        texts = reader.texts({one.digest for one in flows})
    except StoreError:  # without the key digests alone are compared
        texts = {}
    compared = (_compared(one, today, texts.get(one.digest)) for one in flows)
    return ThenAndNow(trace.trace_id, tuple(compared))


def _compared(flow: FlowRow, today: Today, text: str | None) -> Retrieved:
    labels = today.labels(flow.document)
    change, reason = _change(flow, labels, today, text)
    return Retrieved(
        flow.span_id,
        flow.document,
        flow.digest,
        flow.source,
        flow.rank,
        flow.score,
        flow.level,
        tuple(dict.fromkeys(label.level for label in labels or ())),
        change,
        reason,
    )


def _change(
    flow: FlowRow, labels: tuple[Label, ...] | None, today: Today, text: str | None
) -> tuple[Change, str]:
    if flow.origins:
        return "unknown", "a model or a retriever made it, it is no document's own text"
    if labels is None:
        return "vanished", ""
    there = today.has(flow.document, flow.digest, text)
    if there is None:
        missing = "its text is not kept" if text is None else "its text is too short to be found"
        return "unknown", f"the document is there, and {missing}"
    if not there:
        return "changed", ""
    return ("same" if _same_label(flow, labels) else "relabelled"), ""


def _same_label(flow: FlowRow, labels: tuple[Label, ...]) -> bool:
    """Whether a document has the label that was recorded: of one with parts, their levels.

    What lies between the parts has a level of its own, which is not recorded.
    """
    held = {one for label in labels for one in label.compartments}
    if held != set(flow.compartments):
        return False
    levels = {label.level for label in labels}
    if not flow.ranges:
        return levels == {flow.level}
    then = {flow.level, *(level for _, _, level in flow.ranges)}
    return then <= levels and len(levels - then) <= 1
