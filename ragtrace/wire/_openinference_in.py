"""OpenInference read: retrievers, rerankers and model calls of its instrumentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ragtrace.model import Message, Passage
from ragtrace.wire import _names as names
from ragtrace.wire._observed import Observed
from ragtrace.wire._recorded import Recorded, named, numbered, parsed, short
from ragtrace.wire._source import source_of
from ragtrace.wire._talk import passage_of, passages_in, role_of

__all__ = ["openinference_step"]

_DOCUMENTS: Final = {"RETRIEVER": "retrieval.documents", "RERANKER": "reranker.output_documents"}
_JSON: Final = "application/json"


def openinference_step(span: Recorded) -> Observed | None:
    """The step that ``span`` records; a retriever that names no document is none.

    LlamaIndex has two spans for each retrieval, an outer one with the documents and an inner
    one without, and a span with the template around each call of a model.
    """
    said = span.attributes
    kind = said.get(names.OI_KIND, "")
    if kind in _DOCUMENTS:
        passages = _passages(span, _DOCUMENTS[kind])
        query = said.get("reranker.query") or _query(said)
        return Observed("openinference", "retrieval", passages, query) if passages else None
    if kind != "LLM":
        return None
    messages, completion = _messages(said), _completion(said)
    if not messages and "llm.prompt_template.template" in said:
        return None
    return Observed(
        "openinference",
        "prompt",
        messages=messages,
        completion=completion,
        model=short(said.get(names.OI_MODEL)),
    )


def _passages(span: Recorded, prefix: str) -> tuple[Passage, ...]:
    source = source_of(span)
    found = [
        passage_of(
            rank,
            source,
            text=document.get("document.content"),
            id=document.get("document.id"),
            score=document.get("document.score"),
            metadata=document.get("document.metadata"),
        )
        for rank, document in enumerate(numbered(span.attributes, prefix))
    ]
    # LangChain's documents have their ids in the output alone.
    told = passages_in(parsed(span.attributes.get("output.value", "")), source)
    if len(told) != len(found):
        return tuple(found)
    return tuple(
        other if one.id is None and other.text == one.text else one
        for one, other in zip(found, told, strict=True)
    )


def _query(said: Mapping[str, str]) -> str:
    text = said.get("input.value", "")
    if said.get("input.mime_type") != _JSON:
        return text
    given: Any = named(text)
    return str(next((given[k] for k in ("query", "input") if isinstance(given.get(k), str)), ""))


def _messages(said: Mapping[str, str]) -> tuple[Message, ...]:
    found = [
        Message(role_of(one.get("message.role")), text)
        for one in numbered(said, "llm.input_messages")
        for text in _texts(one)
    ]
    if not found:
        found = [
            Message("user", one["prompt.text"])
            for one in numbered(said, "llm.prompts")
            if one.get("prompt.text")
        ]
    if not found and said.get("input.value") and said.get("input.mime_type") != _JSON:
        found = [Message("user", said["input.value"])]
    return tuple(found)


def _completion(said: Mapping[str, str]) -> str | None:
    found = [text for one in numbered(said, "llm.output_messages") for text in _texts(one)]
    if not found:
        found = [one.get("completion.text", "") for one in numbered(said, "llm.choices")]
    if not any(found) and said.get("output.mime_type") != _JSON:
        found = [said.get("output.value", "")]
    return "\n".join(filter(None, found)) if any(found) else None


def _texts(message: Mapping[str, str]) -> list[str]:
    parts = numbered(message, "message.contents")
    calls = numbered(message, "message.tool_calls")
    found = [
        message.get("message.content", ""),
        *(part.get("message_content.text", "") for part in parts),
        message.get("message.function_call_arguments_json", ""),
        *(call.get("tool_call.function.arguments", "") for call in calls),
    ]
    return [text for text in found if text]
