"""Step: one retrieval or model call of a trace, ours or adopted, with its texts where at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ragtrace.errors import WireError
from ragtrace.model import Chunk, Message
from ragtrace.wire import Rope, SpanRecord, decode_chunks, names, unweave

__all__ = ["Step", "is_ours", "texts_of"]

_DERIVED: Final = frozenset(
    {names.FLOWS, names.DUPLICATE, names.PROMPT_LEVEL, names.OBSERVED, names.INHERITED}
)
"""Attributes that depend on the other steps of the trace."""

_TELLING: Final[tuple[str, ...]] = (
    names.STAGE,
    names.TRACER,
    names.REQUEST_ID,
    names.PROMPT_DIGEST,
)
"""Attributes that steps are told apart by."""

EACH_CHUNK: Final = 1_000
"""What a chunk takes beside its text, counted as characters: its ids, its label, its source."""


def is_ours(span: SpanRecord) -> bool:
    """Whether ragtrace wrote the span in the application: each says for which turn.

    By its scope too: an attribute of ours that an application copies makes no span ours, or its
    texts would be stored as they come.
    """
    return span.scope == names.SCOPE and names.REQUEST_ID in span.attributes


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """A step of a trace; its ``repr`` is the default one of an object and shows no text.

    Attributes:
        span: As it is stored; an adopted one without what is derived from other steps.
        chunks: What a retrieval returned; the text is empty where it is not at hand.
        messages: Of a model call; ``None`` where they are not at hand.
        completion: What the model said; ``None`` where it is not at hand.
    """

    span: SpanRecord
    chunks: tuple[Chunk, ...] = ()
    messages: tuple[Message, ...] | None = None
    completion: str | None = None

    @property
    def ours(self) -> bool:
        """Whether its flows are known already and need no deriving."""
        return is_ours(self.span)

    @property
    def is_retrieval(self) -> bool:
        """Whether it brought documents; otherwise it called a model."""
        return self.span.attributes.get(names.STAGE) == "retrieval"

    @property
    def tracer(self) -> str:
        """Whose names the span speaks, empty for ours."""
        return self.span.attributes.get(names.TRACER, "")

    @property
    def whole(self) -> bool:
        """Whether all the texts are at hand that deriving needs."""
        if self.is_retrieval:
            return all(chunk.text or not chunk.digest for chunk in self.chunks)
        return self.ours or self.messages is not None

    @property
    def bare(self) -> Step:
        """The step with as little of its span as tells it apart from others, to be remembered."""
        said = self.span.attributes
        kept = {name: said[name] for name in _TELLING if name in said}
        span = replace(
            self.span, name="", status_message="", attributes=kept, resource={}, events=()
        )
        return replace(self, span=span)

    @property
    def characters(self) -> int:
        """How much text it holds in memory, and as much for the rest of it."""
        texts = [chunk.text for chunk in self.chunks]
        texts += [message.text for message in self.messages or ()]
        said = sum(map(len, self.span.attributes.values()))
        return sum(map(len, texts)) + len(self.completion or "") + said + EACH_CHUNK * len(texts)

    @classmethod
    def of(cls, span: SpanRecord, texts: Mapping[str, str]) -> Step:
        """Read a stored span back; ``texts`` are those of ``texts_of`` that are kept, by digest."""
        said = span.attributes
        retrieval = said.get(names.STAGE) == "retrieval"
        chunks = decode_chunks(said) if retrieval else []
        if not is_ours(span):
            derived = _DERIVED.union(said.get(names.INHERITED, "").split(","))
            left = {name: value for name, value in said.items() if name not in derived}
            span = replace(span, attributes=left)
        return cls(
            span,
            tuple(replace(chunk, text=texts.get(chunk.digest, "")) for chunk in chunks),
            None if retrieval else _messages(said.get(names.PROMPT_DIGEST), texts),
            texts.get(said.get(names.COMPLETION_DIGEST, "")),
        )


def texts_of(span: SpanRecord) -> set[str]:
    """Digests of the texts that a stored span tells of, but for what a prompt refers to."""
    said = span.attributes
    if said.get(names.STAGE) == "retrieval":
        found = {chunk.digest for chunk in decode_chunks(said)}
    else:
        found = {said.get(names.PROMPT_DIGEST, ""), said.get(names.COMPLETION_DIGEST, "")}
    return found - {""}


def _messages(name: str | None, texts: Mapping[str, str]) -> tuple[Message, ...] | None:
    if name is None:
        return ()  # its tracer recorded none
    rope = texts.get(name)
    if rope is None:
        return None
    try:
        return unweave(Rope.from_json(rope), texts).messages
    except WireError:
        return None
