"""Refusal: the answer to a call that the policy blocks, as the provider would have written it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ragtrace_openai._endpoint import Endpoint

__all__ = ["refusal"]

Json = dict[str, Any]

_ID: Final = "ragtrace-refusal"


def refusal(endpoint: Endpoint, asked: Mapping[str, Any], text: str) -> tuple[str, bytes]:
    """Content type and body of an answer that says ``text``, streamed where that was asked for.

    Where the answer must be of a form of the application's own, the text stands in the field that
    the provider has for refusals: it is no such form.
    """
    answer = _response(asked, text) if endpoint is Endpoint.RESPONSES else _choices(asked, text)
    if not asked.get("stream"):
        return "application/json", json.dumps(answer).encode()
    if endpoint is Endpoint.RESPONSES:
        events = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in _steps(answer)]
    else:
        events = [f"data: {json.dumps(one)}\n\n" for one in _chunks(answer)]
        events.append("data: [DONE]\n\n")
    return "text/event-stream", "".join(events).encode()


def _formed(asked: Mapping[str, Any]) -> bool:
    """Whether the answer must be JSON."""
    form = asked.get("response_format")
    if form is None and isinstance(asked.get("text"), Mapping):
        form = asked["text"].get("format")
    return isinstance(form, Mapping) and form.get("type") != "text"


def _choices(asked: Mapping[str, Any], text: str) -> Json:
    head = {"id": _ID, "created": int(time.time()), "model": str(asked.get("model"))}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    several = int(asked.get("n") or 1)
    if "messages" not in asked:
        prompt = asked.get("prompt")
        several = several * len(prompt) if isinstance(prompt, list) else several
        said: Json = {"text": text}
        head["object"] = "text_completion"
    else:
        formed = _formed(asked)
        words = {"content": None if formed else text, "refusal": text if formed else None}
        said = {"message": {"role": "assistant", **words}}
        head["object"] = "chat.completion"
    choices = [
        {"index": place, **said, "finish_reason": "stop", "logprobs": None}
        for place in range(several)
    ]
    return {**head, "choices": choices, "usage": usage}


def _chunks(answer: Json) -> Iterator[Json]:
    head = {key: item for key, item in answer.items() if key not in ("choices", "usage")}
    head["object"] = head["object"].replace("chat.completion", "chat.completion.chunk")
    for choice in answer["choices"]:
        index = {"index": choice["index"], "logprobs": None}
        if "text" in choice:
            yield {**head, "choices": [choice]}
            continue
        said = {**index, "delta": choice["message"], "finish_reason": None}
        yield {**head, "choices": [said]}
        yield {**head, "choices": [{**index, "delta": {}, "finish_reason": "stop"}]}


def _response(asked: Mapping[str, Any], text: str) -> Json:
    part: Json = {"type": "output_text", "text": text, "annotations": []}
    if _formed(asked):
        part = {"type": "refusal", "refusal": text}
    item = {"id": _ID, "type": "message", "role": "assistant", "status": "completed"}
    details = {"input_tokens_details": {"cached_tokens": 0}}
    details["output_tokens_details"] = {"reasoning_tokens": 0}
    return {
        "id": _ID,
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": str(asked.get("model")),
        "output": [{**item, "content": [part]}],
        "parallel_tool_calls": bool(asked.get("parallel_tool_calls", True)),
        "tool_choice": "none",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **details},
    }


def _steps(answer: Json) -> Iterator[Json]:
    """The events of a response that comes in one piece."""
    (item,) = answer["output"]
    (part,) = item["content"]
    key = "text" if "text" in part else "refusal"
    kind, said = ("output_text" if key == "text" else key), part[key]
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    at: Json = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    more: Json = {"logprobs": []} if key == "text" else {}
    steps: list[Json] = [
        {"type": "response.created", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **at, "part": {**part, key: ""}},
        {"type": f"response.{kind}.delta", **at, "delta": said, **more},
        {"type": f"response.{kind}.done", **at, key: said, **more},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer},
    ]
    for number, step in enumerate(steps):
        yield {**step, "sequence_number": number}
