"""A chat endpoint as OpenAI's, on loopback, that answers and fails by script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Reply", "chat_endpoint"]

Reply = Callable[[list[dict[str, str]]], Any]
"""From messages to what is answered: a text, bytes as they are, a status, or a status with headers
and a body; ``None`` closes the connection, and a number is seconds of silence."""


class ChatEndpoint:
    """Where it is, and what it was asked.

    Attributes:
        asked: Bodies of all requests, as they came.
        headers: Theirs.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""


@contextmanager
def chat_endpoint(reply: Reply) -> Iterator[ChatEndpoint]:
    """Run one until the end of the block."""
    told = ChatEndpoint(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.asked.append(body)
            told.headers.append({name.lower(): value for name, value in self.headers.items()})
            said = told.reply(body["messages"])
            if said is None:
                self.close_connection = True
                return
            if isinstance(said, float):
                time.sleep(said)
                return
            status, headers, content = _response(said)
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _response(said: Any) -> tuple[int, dict[str, str], bytes]:
    if isinstance(said, tuple):
        return said
    if isinstance(said, int):
        return said, {}, b'{"error": {"message": "the prompt said: SECRET"}}'
    if isinstance(said, bytes):
        return 200, {}, said
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    made = {"choices": [{"message": {"role": "assistant", "content": said}}], "usage": usage}
    return 200, {}, json.dumps(made).encode()
