"""A server in this process or on a port, and requests for it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import uvicorn
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.server import Auth, Limits, create_app
from ragtrace.store import Store
from ragtrace.wire import ContentRecord, SpanRecord

PROTOBUF = {"content-type": "application/x-protobuf"}


JSON = {"content-type": "application/json"}


def protobuf(*spans: SpanRecord) -> bytes:
    """An export request with ``spans``."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "bank"
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "ragtrace"
    for item in spans:
        message = scope_spans.spans.add(
            trace_id=bytes.fromhex(item.trace_id),
            span_id=bytes.fromhex(item.span_id),
            parent_span_id=bytes.fromhex(item.parent_span_id),
            name=item.name,
            kind="SPAN_KIND_CLIENT",
            start_time_unix_nano=item.start_ns,
            end_time_unix_nano=item.end_ns,
        )
        for key, value in item.attributes.items():
            message.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())


def text_log(text: str) -> bytes:
    """A log export with one text and one stranger's record."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    record = records.add(event_name="ragtrace.content")
    record.body.string_value = text
    for key, value in {"digest": digest(text), "kind": "chunk", "level": "internal"}.items():
        record.attributes.add(key=f"ragtrace.content.{key}").value.string_value = value
    records.add().body.string_value = "stranger"
    return bytes(request.SerializeToString())


def client_of(
    opened: Any,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    auth: Auth | None = None,
    peer: str = "127.0.0.1",
    app: Any = None,
) -> httpx.AsyncClient:
    """A client in this process, seen by the server as ``peer``."""
    app = app or create_app(opened, limits=limits or Limits(), auth=auth or Auth(token))
    transport = httpx.ASGITransport(app, client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def run(opened: Any, *calls: dict[str, Any], **options: Any) -> list[httpx.Response]:
    """Make ``calls`` at once, and give the answers in their order."""

    async def all_at_once() -> list[httpx.Response]:
        async with client_of(opened, **options) as client:
            return await asyncio.gather(*(client.request(**call) for call in calls))

    return asyncio.run(all_at_once())


def post(body: bytes, headers: dict[str, str], path: str = "/v1/traces") -> dict[str, Any]:
    """One export request."""
    return {"method": "POST", "url": path, "content": body, "headers": headers}


def get(path: str, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
    """One question."""
    return {"method": "GET", "url": path, "params": params or None, "headers": headers or {}}


@contextlib.contextmanager
def served(opened: Store, **options: Any) -> Iterator[str]:
    """A real server on a free port."""
    server = uvicorn.Server(uvicorn.Config(create_app(opened, **options), log_level="error"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextlib.contextmanager
def in_background(held: contextlib.AbstractAsyncContextManager[str]) -> Iterator[str]:
    """What ``held`` gives, on an event loop of its own, for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(held.__aenter__(), loop).result(30)
        asyncio.run_coroutine_threadsafe(held.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Slow:
    """A store that takes its time, and remembers each write."""

    def __init__(self, seconds: float = 0.05, refuse: str = "") -> None:
        self.writes: list[int] = []
        self.busy = 0
        self._seconds = seconds
        self._refuse = refuse

    def write(self, spans: Sequence[SpanRecord], contents: Sequence[ContentRecord]) -> None:
        self.busy += 1
        assert self.busy == 1, "two writes at once"
        time.sleep(self._seconds)
        self.busy -= 1
        if any(item.name == self._refuse for item in spans):
            raise StoreError("store: write: NO")
        self.writes.append(len(spans) + len(contents))
