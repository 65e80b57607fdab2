"""Talk: messages, completions and documents in the JSON that tracers write of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from ragtrace.model import Message, Passage, Source
from ragtrace.wire._recorded import MAX_ITEMS, named, number, short

__all__ = ["completion_in", "messages_in", "passage_of", "passages_in", "role_of"]

MAX_DEPTH: Final = 12
"""Levels down to a text: LangChain's own serialisation, the deepest known, takes six."""

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
}
"""LangChain's and Google's words for roles."""

_PAIRED: Final = frozenset({"system", "human", "user", "ai", "assistant"})
"""A list of one of these and a text is LangChain's short form of a message."""

_LISTS: Final = ("messages", "prompts", "prompt", "contents", "input", "inputs", "question")
"""Keys under which models are handed what they are asked, most usual first."""

_ANSWERS: Final = ("choices", "generations", "candidates", "message", "output", "response")
"""Keys under which models hand over what they answer."""

_SAID: Final = ("content", "parts", "text", "input_text", "output_text")
"""Keys of a message, or of a part of one, that hold what is said: the first of them."""

_BESIDES: Final = (
    *("thinking", "reasoning", "refusal", "tool_calls", "function"),
    *("arguments", "args", "input", "response", "result"),
)
"""Keys that hold more texts beside it."""

_MEDIA: Final = frozenset(
    {"blob", "image", "image_url", "input_image", "audio", "input_audio", "video", "file", "uri"}
)
"""Types of parts that are no text."""

_FREE: Final = frozenset({"arguments", "args", "input", "response", "result"})
"""Of those, what a tool is given or gives: JSON of the application's own."""

_DOCUMENT_TEXTS: Final = ("page_content", "content", "text", "document")


def role_of(said: object, otherwise: str = "user") -> str:
    """A role as it is usually called."""
    name = short(said)
    return _ROLES.get(name, name) or otherwise


def messages_in(said: object) -> tuple[Message, ...]:
    """The messages in ``said``, one for each text in them, at most MAX_ITEMS."""
    return tuple(islice(_messages(said, "user", 0), MAX_ITEMS))


def completion_in(said: object) -> str | None:
    """The answer in ``said``, several texts one under the other; ``None`` if there is none."""
    texts = list(islice(_answers(said, 0), MAX_ITEMS))
    return "\n".join(texts) if texts else None


def passages_in(said: object, source: Source) -> tuple[Passage, ...]:
    """The documents in ``said``: a list of them, or an object that holds one."""
    if isinstance(said, dict):
        said = next((said[k] for k in ("documents", "nodes", "results") if k in said), None)
    if not isinstance(said, list):
        return ()
    found = [one for item in said[:MAX_ITEMS] if (one := named(item))]
    return tuple(_passage(one, rank, source) for rank, one in enumerate(found))


def passage_of(
    rank: int,
    source: Source,
    *,
    text: object = "",
    id: object = None,
    score: object = None,
    metadata: object = None,
) -> Passage:
    """One document, as far as what is said of it has the form it should."""
    return Passage(
        text=text if isinstance(text, str) else "",
        source=source,
        metadata=named(metadata),
        id=short(id) or None,
        rank=rank,
        score=number(score),
    )


def _passage(said: dict[str, Any], rank: int, source: Source) -> Passage:
    inner = said
    for key in ("node", "document", "kwargs"):  # of LlamaIndex, of a pair, of LangChain
        inner = named(inner.get(key)) or inner
    text = next((inner[k] for k in _DOCUMENT_TEXTS if isinstance(inner.get(k), str)), "")
    name = next((inner[k] for k in ("id", "id_", "node_id") if short(inner.get(k))), None)
    score = said.get("score", said.get("relevance_score"))
    return passage_of(rank, source, text=text, id=name, score=score, metadata=inner.get("metadata"))


def _messages(said: object, role: str, depth: int) -> Iterator[Message]:
    if depth > MAX_DEPTH:
        return
    if isinstance(said, str):
        if said:
            yield Message(role, said)
    elif isinstance(said, list):
        if len(said) == 2 and isinstance(said[0], str) and said[0] in _PAIRED:
            yield from _messages(said[1], role_of(said[0]), depth + 1)
            return
        for item in said:
            yield from _messages(item, role, depth + 1)
    elif isinstance(said, dict):
        yield from _message(said, role, depth)


def _message(said: dict[str, Any], role: str, depth: int) -> Iterator[Message]:
    said = named(said.get("kwargs")) if "lc" in said else said
    given = said.get("role", said.get("type"))
    if any(key in said for key in ("role", "content", "parts")):
        for text in _texts(said, depth + 1):
            yield Message(role_of(given, role), text)
        return
    for key in _LISTS:
        if key in said:
            if isinstance(said.get("system"), str | list) and key == "messages":
                yield from _messages(said["system"], "system", depth + 1)
            yield from _messages(said[key], role, depth + 1)
            return
    for text in _texts(said, depth + 1):
        yield Message(role, text)


def _texts(said: object, depth: int) -> Iterator[str]:
    """The texts of a message, or of a part of one: what is said, and what stands beside it."""
    if depth > MAX_DEPTH:
        return
    if isinstance(said, str):
        if said:
            yield said
    elif isinstance(said, list):
        for item in said:
            yield from _texts(item, depth + 1)
    elif isinstance(said, dict) and short(said.get("type")) not in _MEDIA:
        first = next((said[key] for key in _SAID if said.get(key)), None)
        yield from _texts(first, depth + 1)
        for key in _BESIDES:
            inner = said.get(key)
            if key in _FREE and isinstance(inner, dict | list):
                yield _as_json(inner)
            elif inner:
                yield from _texts(inner, depth + 1)


def _as_json(said: object) -> str:
    try:
        return json.dumps(said, ensure_ascii=False)
    except RecursionError:  # nested so deep that it could barely be read
        return ""


def _answers(said: object, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(said, str):
        if said:
            yield said
    elif isinstance(said, list):
        for item in said:
            yield from _answers(item, depth + 1)
    elif isinstance(said, dict):
        said = named(said.get("kwargs")) if "lc" in said else said
        for key in _ANSWERS:
            if said.get(key):
                yield from _answers(said[key], depth + 1)
                return
        messages = said.get("messages")
        if isinstance(messages, Sequence) and messages and "content" not in said:
            said = messages[-1]  # of a conversation that an agent gives back whole
        yield from _texts(said, depth + 1)
