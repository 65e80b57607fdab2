"""Langfuse read: observations of its SDK, which leave over OTLP."""

from __future__ import annotations

from typing import Final

from ragtrace.wire._observed import Observed
from ragtrace.wire._recorded import Recorded, short, whole
from ragtrace.wire._source import source_of
from ragtrace.wire._talk import completion_in, messages_in, passages_in

__all__ = ["LANGFUSE_TYPE", "langfuse_step"]

LANGFUSE_TYPE: Final = "langfuse.observation.type"


def langfuse_step(span: Recorded) -> Observed | None:
    """The step that ``span`` records; a retriever that returned no document is none."""
    said = span.attributes
    given = said.get("langfuse.observation.input", "")
    output = whole(said.get("langfuse.observation.output", ""))
    kind = short(whole(said.get(LANGFUSE_TYPE, "")))
    if kind == "retriever":
        passages = passages_in(output, source_of(span))
        return Observed("langfuse", "retrieval", passages, given) if passages else None
    if kind != "generation":
        return None
    return Observed(
        "langfuse",
        "prompt",
        messages=messages_in(whole(given)),
        completion=completion_in(output),
        model=short(said.get("langfuse.observation.model.name")),
    )
