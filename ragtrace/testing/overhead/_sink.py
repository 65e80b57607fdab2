"""Sink: a back end that takes everything, as fast or as slowly as a bench has it."""

from __future__ import annotations

import gzip
import threading
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Sink"]


class Sink(AbstractContextManager["Sink"]):
    """Counts what arrives for each of several senders, who are told apart by their path.

    Args:
        port: Where it listens; 0 for any that is free.

    Attributes:
        seconds: After which it answers.
        bytes: That arrived, before compression, by sender.
        spans: That arrived, by sender; counted where ``counting``.
    """

    def __init__(self, port: int = 0) -> None:
        self.seconds = 0.0
        self.counting = False
        self.bytes: dict[str, int] = {}
        self.spans: dict[str, int] = {}
        sink, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                sender = self.path.split("/")[1]
                traces = sink.counting and not self.path.endswith("/logs")
                spans = _count(body) if traces else 0
                with lock:
                    sink.bytes[sender] = sink.bytes.get(sender, 0) + len(body)
                    sink.spans[sender] = sink.spans.get(sender, 0) + spans
                time.sleep(sink.seconds)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                """Nothing: who asked has gone."""

        self._server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, sender: str) -> str:
        """Where ``sender`` sends to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{sender}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _count(body: bytes) -> int:
    sent = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(scope.spans) for one in sent for scope in one.scope_spans)
