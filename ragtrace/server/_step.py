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
    def characters(self) -> int:
        """How much text it holds in memory."""
        texts = [chunk.text for chunk in self.chunks]
        texts += [message.text for message in self.messages or ()]
        return sum(map(len, texts)) + len(self.completion or "")

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
            None if retrieval else _messages(texts.get(said.get(names.PROMPT_DIGEST, "")), texts),
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


def _messages(rope: str | None, texts: Mapping[str, str]) -> tuple[Message, ...] | None:
    if rope is None:
        return None
    try:
        return unweave(Rope.from_json(rope), texts).messages
    except WireError:
        return None
