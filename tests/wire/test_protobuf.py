"""Our own writing of OTLP says what the standard encoder says."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as standard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ragtrace.capture._vault import Vault
from ragtrace.wire import encode_records, encode_spans
from tests.laws import examples

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PLAIN = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.one_of(PLAIN, st.lists(TEXT, max_size=3), st.lists(st.integers(0, 9), max_size=3))


def made(**resource: Any) -> tuple[Any, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test", "1.0", "https://schema", {"a": 1}), exporter


def check(exporter: InMemorySpanExporter) -> None:
    """As messages: what the standard encoder groups by sender may be in several here."""
    spans = exporter.get_finished_spans()
    read = ExportTraceServiceRequest.FromString(encode_spans(spans))
    written = [span for sent in read.resource_spans for s in sent.scope_spans for span in s.spans]
    [expected] = standard(spans).resource_spans
    assert sorted(map(str, written)) == sorted(map(str, expected.scope_spans[0].spans))
    for sent in read.resource_spans:
        assert sent.resource == expected.resource
        assert sent.schema_url == expected.schema_url
        [scope] = sent.scope_spans
        assert scope.scope == expected.scope_spans[0].scope
        assert scope.schema_url == expected.scope_spans[0].schema_url


@settings(max_examples=examples(200), deadline=None)
@given(
    name=TEXT,
    attributes=st.dictionaries(TEXT.filter(bool), VALUES, max_size=8),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from(StatusCode),
    remote=st.sampled_from([None, False, True]),
)
def test_a_span_is_written_as_the_standard_encoder_writes_it(
    name: str, attributes: dict[str, Any], kind: SpanKind, status: StatusCode, remote: bool | None
) -> None:
    tracer, exporter = made(**{"service.name": "an app", "list": ("a", "b")})
    context = None
    if remote is not None:
        parent = SpanContext(2**127 + 1, 2**63 + 1, remote, TraceFlags(1))
        context = set_span_in_context(NonRecordingSpan(parent))
    span = tracer.start_span(name, context, kind=kind, attributes=attributes)
    span.set_status(Status(status, "why" if status is StatusCode.ERROR else None))
    span.end()
    check(exporter)


def test_what_is_rare_is_written_by_the_standard_encoder() -> None:
    tracer, exporter = made()
    plain = tracer.start_span("plain")
    with tracer.start_as_current_span("parent", links=[Link(plain.get_span_context())]):
        rare = tracer.start_span("child", attributes={"numbers": (1, 2)})
    rare.record_exception(ValueError("why"))
    rare.end()
    plain.end()
    check(exporter)


def test_half_a_character_is_replaced_and_nothing_else_is_lost() -> None:
    tracer, exporter = made()
    tracer.start_span("na\ud800me", attributes={"key": "val\udfffue", "other": "whole"}).end()
    body = encode_spans(exporter.get_finished_spans())
    [span] = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert span.name == "na?me"
    said = {one.key: one.value.string_value for one in span.attributes}
    assert said == {"key": "val?ue", "other": "whole"}


def test_a_text_is_written_as_the_standard_encoder_writes_it() -> None:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource.create({"service.name": "an app"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    vault = Vault(provider.get_logger("ragtrace"))
    for number in range(3):
        vault.put("chunk", f"{number}" * 64, "public", "ein Text € \N{PILE OF POO}" * 100)
    records = exporter.get_finished_logs()
    assert ExportLogsServiceRequest.FromString(encode_records(records)) == encode_logs(records)
