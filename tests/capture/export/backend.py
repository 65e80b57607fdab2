"""A back end on a thread: takes, keeps, refuses or is slow, as a test has it."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Backend:
    """What arrived, and how the next requests are answered."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    seconds: float = 0.0
    refuse: bytes = b""  # a body with this in it is answered 400
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    attempts: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[str]:
        """Names of the spans that were taken, in the order of their arrival."""
        return [
            span.name
            for path, _, body in self.requests
            if path == "/v1/traces"
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in sent.scope_spans
            for span in scope.spans
        ]

    @property
    def texts(self) -> list[str]:
        """Bodies of the log records that were taken."""
        return [
            record.body.string_value
            for path, _, body in self.requests
            if path == "/v1/logs"
            for sent in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in sent.scope_logs
            for record in scope.log_records
        ]

    def expect(self, count: int, seconds: float = 20.0) -> list[str]:
        """The spans, once ``count`` of them are there."""
        end = time.monotonic() + seconds
        while len(self.spans) < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.spans


@contextmanager
def backend(port: int = 0, **how: Any) -> Iterator[Backend]:
    """A back end that listens, on ``port`` or on any that is free."""
    made = Backend(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            made.attempts += 1
            made.times.append(time.monotonic())
            time.sleep(made.seconds)
            status = 400 if made.refuse and made.refuse in body else made.status
            if status == 200:
                made.requests.append((self.path, headers, body))
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(made.answer)))
            self.end_headers()
            self.wfile.write(made.answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            pass  # who asked has gone

    server = Server(("127.0.0.1", port), Handler)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
