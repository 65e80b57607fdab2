"""Wire: a model server that keeps every body it is sent, and answers with all of it.

It speaks the OpenAI protocol, streaming included. Whatever it was shown it says, in pieces
long enough for a secret to be known in a single one. A model called ``broken`` always fails.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from ragtrace.testing.conformance._wire_responses import response, response_events

__all__ = ["BROKEN", "Wire"]

BROKEN: Final = "broken"
"""Name of a model that always fails."""

PIECE: Final = 40
"""Characters to a piece of a streamed answer."""

Json = dict[str, Any]


class Wire:
    """The bodies that reached the model, oldest first.

    Attributes:
        failing: So many of the next calls fail, whatever the model is called.
        says: What it answers instead of all it was shown.
    """

    def __init__(self) -> None:
        self.bodies: list[Json] = []
        self.failing = 0
        self.says: str | None = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        """What a client takes for its base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """Forget the bodies, and whatever was to be different."""
        self.bodies.clear()
        self.failing = 0
        self.says = None

    def of(self, audience: str) -> list[str]:
        """The bodies whose question, which stands last, was asked for ``audience``."""
        return [text for text in self.texts if _asker(text) == audience]

    @property
    def texts(self) -> list[str]:
        """The bodies as text; one that asks for several completions counts as that many."""
        with self._lock:
            bodies = list(self.bodies)
        return [
            json.dumps({**body, "prompt": prompt} if prompt else body)
            for body in bodies
            for prompt in (body["prompt"] if isinstance(body.get("prompt"), list) else [None])
        ]

    def take(self, body: Json) -> bool:
        """Keep ``body``; says whether it may be answered."""
        with self._lock:
            self.bodies.append(body)
            fails = self.failing > 0 or body["model"] == BROKEN
            self.failing = max(0, self.failing - 1)
            return not fails


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # requests at the same time may come in one burst


def _asker(text: str) -> str | None:
    asked = {name: text.rfind(f"[{name}]") for name in ("customer", "staff")}
    last = max(asked, key=lambda name: asked[name])
    return last if asked[last] >= 0 else None


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one call and close the connection."""
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not wire.take(body):
                self._send(500, "application/json", b'{"error": {"message": "out of order"}}')
                return
            answer, steps = _answered(self.path.partition("?")[0], body, wire.says)
            if body.get("stream"):
                events = "".join(f"data: {json.dumps(event)}\n\n" for event in steps(answer))
                self._send(200, "text/event-stream", f"{events}data: [DONE]\n\n".encode())
            else:
                self._send(200, "application/json", json.dumps(answer).encode())

        def _send(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _answered(
    path: str, body: Json, says: str | None
) -> tuple[Json, Callable[[Json], Iterator[Json]]]:
    """What is answered under a path, and what makes pieces of it."""
    if path.endswith("/responses"):
        return response(body, says), response_events
    chat = path.endswith("/chat/completions")
    return (_chat if chat else _text)(body, says), _events


def _chat(body: Json, says: str | None) -> Json:
    messages = body["messages"]
    seen = " ".join(_said(message.get("content")) for message in messages)
    said = says or f"I was told: {seen}"
    if (body.get("response_format") or {}).get("type") == "json_schema":
        said = json.dumps({"reply": said})
    message: Json = {"role": "assistant", "content": said}
    calls = [message for message in messages if message["role"] == "tool"]
    if len(calls) < len(body.get("tools", [])):
        # The tools are called in turn, each with everything that has been seen so far.
        tool = body["tools"][len(calls)]["function"]
        arguments = json.dumps({next(iter(tool["parameters"]["properties"])): seen})
        function = {"name": tool["name"], "arguments": arguments}
        call = {"id": f"call{len(calls)}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    if body.get("logprobs"):
        said = str(message["content"])
        token = {"token": said, "logprob": 0.0, "bytes": None, "top_logprobs": []}
        choice["logprobs"] = {"content": [token], "refusal": None}
    return _whole("chat.completion", body, [choice])


def _said(content: Any) -> str:
    """A content in words, whether it is a text or blocks of it."""
    if isinstance(content, list):
        return " ".join(str(block.get("text", "")) for block in content)
    return str(content or "")


def _text(body: Json, says: str | None) -> Json:
    prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    choices = [
        {"index": place, "text": text, "finish_reason": "stop", "logprobs": None}
        for place, text in enumerate(says or f"I was told: {prompt}" for prompt in prompts)
    ]
    return _whole("text_completion", body, choices)


def _whole(kind: str, body: Json, choices: list[Json]) -> Json:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    head = {"id": "cmpl-1", "object": kind, "created": 1, "model": body["model"]}
    return {**head, "choices": choices, "usage": usage}


def _events(answer: Json) -> Iterator[Json]:
    """The same answer in pieces."""
    head = {
        **answer,
        "object": answer["object"].replace("chat.completion", "chat.completion.chunk"),
    }
    del head["usage"]
    (choice,) = answer["choices"]
    blank = {**choice, "finish_reason": None}
    if "text" in choice:
        for piece in _pieces(choice["text"]):
            yield {**head, "choices": [{**blank, "text": piece}]}
        yield {**head, "choices": [{**choice, "text": ""}]}
        return
    message = blank.pop("message")
    for delta in _deltas(message):
        yield {**head, "choices": [{**blank, "delta": delta}]}
    yield {**head, "choices": [{**blank, "delta": {}, "finish_reason": "stop"}]}
    yield {**head, "choices": [], "usage": answer["usage"]}


def _deltas(message: Json) -> Iterator[Json]:
    if message["content"] is not None:
        for piece in _pieces(message["content"]):
            yield {"role": "assistant", "content": piece}
        return
    (call,) = message["tool_calls"]
    yield {
        "role": "assistant",
        "tool_calls": [
            {**call, "index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
        ],
    }
    for piece in _pieces(call["function"]["arguments"]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _pieces(text: str) -> list[str]:
    return [text[place : place + PIECE] for place in range(0, len(text), PIECE)]
