"""Over gRPC: the same, over the channel of the standard exporter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider

from ragtrace.capture.export import _delivery, lost_since, trace_processor
from ragtrace.config import load


class Service(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.failing: list[tuple[grpc.StatusCode, float | None]] = []
        self.rejects = 0

    def Export(self, request: Any, context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        if self.failing:
            code, after = self.failing.pop(0)
            status = Status(code=code.value[0])
            if after is not None:
                delay = Duration()
                delay.FromMilliseconds(int(after * 1000))
                status.details.add().Pack(RetryInfo(retry_delay=delay))
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
            context.abort(code, "not now")
        for sent in request.resource_spans:
            self.spans += [span.name for scope in sent.scope_spans for span in scope.spans]
        answer = ExportTraceServiceResponse()
        if self.rejects:
            answer.partial_success.rejected_spans = self.rejects
        return answer

    def expect(self, count: int) -> list[str]:
        end = time.monotonic() + 20
        while len(self.spans) < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.spans


@contextmanager
def serving(port: int) -> Iterator[Service]:
    service, server = Service(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(service, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield service
    finally:
        server.stop(0).wait()


@pytest.fixture
def provider(spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    monkeypatch.setattr(_delivery, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(_delivery, "LONGEST_SECONDS", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{nobody}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=abc")
    lost_since()
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(trace_processor(load()))
    yield made
    made.shutdown()


def end(provider: TracerProvider, name: str) -> None:
    provider.get_tracer("test").start_span(name).end()


def test_spans_arrive_with_the_headers_of_the_exporter(
    provider: TracerProvider, nobody: int
) -> None:
    with serving(nobody) as service:
        end(provider, "one")
        assert provider.force_flush()
        assert service.spans == ["one"]
        assert service.metadata["authorization"] == "abc"


def test_what_a_dead_back_end_missed_is_sent_when_it_is_back(
    provider: TracerProvider, nobody: int
) -> None:
    end(provider, "one")
    provider.force_flush(500)
    with serving(nobody) as service:
        assert service.expect(1) == ["one"]


@pytest.mark.parametrize(
    "failure",
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.1),
        (grpc.StatusCode.UNAVAILABLE, 0.1),
        (grpc.StatusCode.UNAUTHENTICATED, None),
    ],
)
def test_a_batch_is_kept_where_the_back_end_may_take_it_later(
    failure: Any, provider: TracerProvider, nobody: int
) -> None:
    with serving(nobody) as service:
        service.failing.append(failure)
        end(provider, "one")
        assert service.expect(1) == ["one"]
    assert lost_since() == 0


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
def test_a_batch_that_would_be_refused_again_is_counted_as_lost(
    code: Any, provider: TracerProvider, nobody: int
) -> None:
    with serving(nobody) as service:
        service.failing.append((code, None))
        end(provider, "one")
        assert provider.force_flush()
    assert lost_since() == 1


def test_what_is_taken_in_part_is_counted(provider: TracerProvider, nobody: int) -> None:
    with serving(nobody) as service:
        service.rejects = 1
        end(provider, "one")
        assert provider.force_flush()
    assert lost_since() == 1
