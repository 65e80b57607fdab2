"""What the server promises those who export to it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ragtrace.model import digest
from ragtrace.server import Client, Limits
from ragtrace.store import OWNER, Sought, Store
from tests.engine import (
    KEY,
    flow,
    fresh_url,
    span,
    store,
)
from tests.web import JSON, PROTOBUF, Slow, post, protobuf, run, served, text_log

__all__ = ["store"]


Post = Callable[..., httpx.Response]


def test_a_real_exporter_is_understood(store: Store) -> None:
    """Spans of the OpenTelemetry SDK arrive through its own HTTP exporter, gzip and all."""
    with served(store) as url:
        provider = TracerProvider(resource=Resource.create({"service.name": "bank"}))
        for compression in (Compression.Gzip, Compression.NoCompression):
            exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=compression)
            provider.add_span_processor(BatchSpanProcessor(exporter))
        with provider.get_tracer("ragtrace").start_as_current_span("chat gpt") as live:
            live.set_attribute("ragtrace.stage", "prompt")
            live.set_attribute("ragtrace.request.id", "r1")
            live.set_attribute("ragtrace.flows", json.dumps([flow(n) for n in range(500)]))
        provider.shutdown()
        with Client(url) as client:
            (read,) = client.trace(f"{live.get_span_context().trace_id:032x}").spans
            flows = client.flows(limit=1000)
    assert (read.name, read.service) == ("chat gpt", "bank")
    assert [row.ordinal for row in flows] == list(range(500))


@pytest.mark.parametrize("squeeze", [None, "gzip", "deflate", "members"])
def test_a_body_may_be_compressed(store: Store, squeeze: str | None) -> None:
    """With gzip, in several members too, and deflate; the answer is empty and typed."""
    body = protobuf(span(1, flow()))
    half = len(body) // 2
    packed, encoding = {
        None: (body, "identity"),
        "gzip": (gzip.compress(body), "gzip"),
        "deflate": (zlib.compress(body), "deflate"),
        "members": (gzip.compress(body[:half]) + gzip.compress(body[half:]), "gzip"),
    }[squeeze]
    (answer,) = run(store, post(packed, PROTOBUF | {"content-encoding": encoding}))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
    assert len(store.reach(Sought(names=("doc-0",)), access=OWNER).rows) == 1


def test_json_is_answered_in_json(store: Store) -> None:
    """Both on success and on refusal."""
    tree = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "x"}]}]}
        ]
    }
    good, bad = run(store, post(json.dumps(tree).encode(), JSON), post(b"{", JSON))
    assert (good.status_code, good.json()) == (200, {})
    assert bad.status_code == 400
    assert bad.json()["code"] == 3
    assert "expected a JSON" in bad.json()["message"]
    assert store.trace("ab" * 16, access=OWNER).spans[0].name == "x"


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"\xff", PROTOBUF, 400, "expected a protobuf"),
        (b"{}", {"content-type": "text/plain"}, 415, "content-type: expected"),
        (b"{}", {}, 415, "content-type: expected"),
        (b"x", PROTOBUF | {"content-encoding": "br"}, 415, "content-encoding: expected"),
        (b"x", PROTOBUF | {"content-encoding": "gzip"}, 400, "body: expected gzip"),
        (
            gzip.compress(b"x", mtime=0)[:-4],
            PROTOBUF | {"content-encoding": "gzip"},
            400,
            "the beginning",
        ),
        (b"\0" * 5000, PROTOBUF, 413, "at most 4096 bytes"),
        (
            gzip.compress(b"\0" * 50_000_000, mtime=0),
            PROTOBUF | {"content-encoding": "gzip"},
            413,
            "at most",
        ),
        (
            gzip.compress(b"\0" * 65_536, mtime=0),
            PROTOBUF | {"content-encoding": "gzip"},
            413,
            "at most 8192",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_a_refusal_says_why(
    path: str, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    """Status, reason and encoding; a decompression bomb is not unpacked."""
    if path == "/v1/metrics" and "protobuf" in reason:
        return  # metrics are not read at all
    limits = Limits(body_bytes=4096, inflated_bytes=8192)
    (answer,) = run(Slow(0), post(body, headers, path), limits=limits)
    assert answer.status_code == status
    if headers.get("content-type") == PROTOBUF["content-type"]:
        assert reason in Status.FromString(answer.content).message
    else:
        assert reason in answer.json()["message"]


def test_a_long_body_without_a_length_is_cut_off() -> None:
    """A body in chunks is counted as it comes."""

    async def chunks() -> Any:
        for _ in range(100):
            yield b"\0" * 1000

    (answer,) = run(Slow(0), post(chunks(), PROTOBUF), limits=Limits(body_bytes=4096))
    assert answer.status_code == 413


def test_texts_and_strangers_logs_arrive(store: Store) -> None:
    """A text is filed; a stranger's record and metrics are taken and forgotten."""
    logs, metrics = run(
        store,
        post(text_log("hello"), PROTOBUF, "/v1/logs"),
        post(b"\xff", PROTOBUF, "/v1/metrics"),
    )
    assert (logs.status_code, metrics.status_code) == (200, 200)
    assert ExportLogsServiceResponse.FromString(logs.content) == ExportLogsServiceResponse()
    assert store.texts([digest("hello")], access=OWNER) == {digest("hello"): "hello"}


def test_key_and_no_key(store: Store) -> None:
    """A server without the key takes texts and keeps their digests."""
    opened = Store.open(fresh_url())
    run(opened, post(text_log("hello"), PROTOBUF, "/v1/logs"))
    assert (opened.stats(access=OWNER).contents, opened.stats(access=OWNER).texts) == (1, 0)
    assert store.keeps_text
    assert len(KEY) == 32
    opened.close()
