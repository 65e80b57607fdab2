"""OpenLLMetry read: LangChain's runs, and what clients of vector stores record as events."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from ragtrace.model import Message, Passage
from ragtrace.wire import _names as names
from ragtrace.wire._genai_in import GENAI_MODEL_CALLS, prompt_step
from ragtrace.wire._observed import Observed
from ragtrace.wire._recorded import MAX_ITEMS, Recorded, named, numbered, whole
from ragtrace.wire._source import source_of
from ragtrace.wire._talk import messages_in, passage_of, passages_in, role_of

__all__ = ["is_openllmetry", "openllmetry_step"]

_PREFIX: Final = "traceloop."
_OLD: Final = ("gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "llm.request.type")
"""What its versions before the conventions had attributes for messages wrote."""
_RESULT: Final = "db.query.result"
_OUTPUTS: Final = ("traceloop.entity.output", "gen_ai.task.output")
_INPUTS: Final = ("traceloop.entity.input", "gen_ai.task.input")


def is_openllmetry(span: Recorded) -> bool:
    """Whether ``span`` speaks OpenLLMetry's names."""
    said = span.attributes
    return (
        any(name in said for name in _OLD)
        or any(name.startswith(_PREFIX) for name in said)
        or any(event.name == _RESULT for event in span.events)
    )


def openllmetry_step(span: Recorded) -> Observed | None:
    """The step that ``span`` records; a retriever that returned no document is none."""
    said = span.attributes
    operation = said.get(names.GEN_AI_OPERATION) or said.get("llm.request.type", "")
    if operation in GENAI_MODEL_CALLS:
        return _call(span)
    passages = _results(span)
    if not passages and operation == "vector_db_retrieve":
        passages = passages_in(whole(_one(said, _OUTPUTS)), source_of(span))
    query = named(_one(said, _INPUTS)).get("query")
    asked = query if isinstance(query, str) else ""
    return Observed("openllmetry", "retrieval", passages, asked) if passages else None


def _call(span: Recorded) -> Observed:
    found = prompt_step(span, "openllmetry")
    if found.messages and found.completion is not None:
        return found
    said = span.attributes
    asked = (
        Message(role_of(one.get("role")), message.text)
        for one in numbered(said, "gen_ai.prompt")
        for message in messages_in(whole(one.get("content", "")))
    )
    answered = [one.get("content", "") for one in numbered(said, "gen_ai.completion")]
    return Observed(
        found.tracer,
        found.stage,
        messages=found.messages or tuple(islice(asked, MAX_ITEMS)),
        completion=found.completion or "\n".join(filter(None, answered)) or None,
        model=found.model,
    )


def _results(span: Recorded) -> tuple[Passage, ...]:
    source = source_of(span)
    results = [one.attributes for one in span.events if one.name == _RESULT][:MAX_ITEMS]
    return tuple(
        passage_of(
            rank,
            source,
            text=said.get(f"{_RESULT}.document"),
            id=said.get(f"{_RESULT}.id"),
            score=said.get(f"{_RESULT}.score", said.get(f"{_RESULT}.distance")),
            metadata=said.get(f"{_RESULT}.metadata"),
        )
        for rank, said in enumerate(results)
    )


def _one(said: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((said[key] for key in keys if said.get(key)), "")
