"""Wire responses: what the model server answers under ``/responses``, whole or in events."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["response", "response_events"]

PIECE: Final = 40
"""Characters to a piece of a streamed answer."""

Json = dict[str, Any]
_number = itertools.count()


def response(body: Json, says: str | None = None) -> Json:
    """The answer: what was seen, or ``says``, or a tool's being given what was seen."""
    given = body.get("input")
    items = [{"content": given}] if isinstance(given, str) else given or []
    seen = " ".join([str(body.get("instructions") or ""), *map(_seen, items)])
    results = [item for item in items if item.get("type") == "function_call_output"]
    if len(results) < len(body.get("tools", [])):
        tool = body["tools"][len(results)]
        arguments = json.dumps({next(iter(tool["parameters"]["properties"])): seen})
        head = {"id": "fc_1", "type": "function_call", "status": "completed"}
        item = {**head, "call_id": "call1", "name": tool["name"], "arguments": arguments}
    else:
        text = says or f"I was told: {seen}"
        if (body.get("text") or {}).get("format", {}).get("type") == "json_schema":
            text = json.dumps({"reply": text})
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        item = {**head, "content": [part]}
    details = {"input_tokens_details": {"cached_tokens": 0}}
    details["output_tokens_details"] = {"reasoning_tokens": 0}
    return {
        "id": f"resp_{next(_number)}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "output": [item],
        "instructions": body.get("instructions"),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": body.get("tools", []),
        "metadata": {},
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, **details},
    }


def response_events(answer: Json) -> Iterator[Json]:
    """The same answer in events."""
    for number, step in enumerate(_steps(answer)):
        yield {**step, "sequence_number": number}


def _seen(item: Json) -> str:
    said = item.get("output", item.get("content"))
    if isinstance(said, list):
        return " ".join(str(part.get("text", "")) for part in said)
    return str(said or "")


def _steps(answer: Json) -> Iterator[Json]:
    (item,) = answer["output"]
    at = {"output_index": 0, "item_id": item["id"]}
    begun = {**answer, "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": begun}
    if item["type"] == "function_call":
        empty = {**item, "arguments": "", "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
        kind = "response.function_call_arguments"
        for piece in _pieces(item["arguments"]):
            yield {"type": f"{kind}.delta", **at, "delta": piece}
        yield {"type": f"{kind}.done", **at, "arguments": item["arguments"], "name": item["name"]}
    else:
        (part,) = item["content"]
        empty = {**item, "content": [], "status": "in_progress"}
        yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
        at["content_index"] = 0
        yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
        for piece in _pieces(part["text"]):
            yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
        done = {"text": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **at, **done}
        yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": answer}


def _pieces(text: str) -> list[str]:
    return [text[place : place + PIECE] for place in range(0, len(text), PIECE)]
