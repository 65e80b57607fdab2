"""The GenAI conventions read, as OpenTelemetry's own instrumentations write them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

from ragtrace.model import Message
from ragtrace.wire import _names as names
from ragtrace.wire._observed import Observed, Tracer
from ragtrace.wire._recorded import Recorded, named, short, whole
from ragtrace.wire._source import source_of
from ragtrace.wire._talk import completion_in, messages_in, passages_in

__all__ = ["GENAI_MODEL_CALLS", "genai_step", "prompt_step"]

GENAI_MODEL_CALLS: Final = frozenset({"chat", "text_completion", "generate_content", "completion"})

_INSTRUCTIONS: Final = "gen_ai.system_instructions"
_INPUT: Final = "gen_ai.input.messages"
_OUTPUT: Final = "gen_ai.output.messages"
_MESSAGE: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Events that were one message each, before the conventions had attributes for them."""
_CHOICE: Final = "gen_ai.choice"


def genai_step(span: Recorded) -> Observed | None:
    """The step that ``span`` records, without texts where none were captured.

    The conventions know of a document's id and score; its text is read where somebody adds it.
    """
    said = span.attributes
    operation = said.get(names.GEN_AI_OPERATION, "")
    if operation == "retrieval":
        passages = passages_in(whole(said.get(names.GEN_AI_DOCUMENTS, "")), source_of(span))
        query = said.get(names.GEN_AI_QUERY, "")
        return Observed("genai", "retrieval", passages, query) if passages else None
    if operation not in GENAI_MODEL_CALLS:
        return None
    return prompt_step(span, "genai")


def prompt_step(span: Recorded, tracer: Tracer) -> Observed:
    """The model call that ``span`` records in the names of the conventions, old or new."""
    said: Mapping[str, str] = span.attributes
    if _INPUT not in said:  # the newest way is one event with the attributes of the span
        said = next((one.attributes for one in span.events if _INPUT in one.attributes), said)
    instructions = [
        Message("system", one.text) for one in messages_in(whole(said.get(_INSTRUCTIONS, "")))
    ]
    asked = messages_in(whole(said.get(_INPUT, "")))
    completion = completion_in(whole(said.get(_OUTPUT, "")))
    return Observed(
        tracer,
        "prompt",
        messages=(*instructions, *asked) or _asked(span),
        completion=_answered(span) if completion is None else completion,
        model=short(span.attributes.get(names.GEN_AI_REQUEST_MODEL)),
    )


def _asked(span: Recorded) -> tuple[Message, ...]:
    found = (
        [Message(_MESSAGE[event.name], one.text) for one in messages_in(_body(event.attributes))]
        for event in span.events
        if event.name in _MESSAGE
    )
    return tuple(chain.from_iterable(found))


def _answered(span: Recorded) -> str | None:
    said = [_body(event.attributes) for event in span.events if event.name == _CHOICE]
    return completion_in(said)


def _body(attributes: Mapping[str, str]) -> dict[str, object]:
    """What an event says: in attributes, or in one of them as JSON."""
    body = named(attributes.get("gen_ai.event.content"))
    return body or {name: whole(value) for name, value in attributes.items()}
