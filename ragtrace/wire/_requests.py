"""Requests: spans and texts as OTLP export requests, the way back from ``decode_traces``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from ragtrace.wire import _names as names
from ragtrace.wire._spans import ContentRecord, SpanRecord

__all__ = ["body_of", "logs_request", "traces_requests"]

SPANS: Final = 500
"""Spans of one request: what SDKs send at once."""
BYTES: Final = 8 * 1024 * 1024
"""Attributes of one request at most, roughly: half of what the server takes."""

_STATUSES: Final = {"Ok": Status.STATUS_CODE_OK, "Error": Status.STATUS_CODE_ERROR}


def traces_requests(spans: Sequence[SpanRecord]) -> Iterator[tuple[bytes, int]]:
    """Protobuf bodies with ``spans`` in their order, and how many each has.

    Values are texts, as they are in a record.
    """
    batch: list[SpanRecord] = []
    size = 0
    for span in spans:
        weight = sum(len(name) + len(value) for name, value in span.attributes.items())
        if batch and (len(batch) == SPANS or size + weight > BYTES):
            yield _traces(batch), len(batch)
            batch, size = [], 0
        batch.append(span)
        size += weight
    if batch:
        yield _traces(batch), len(batch)


def logs_request(contents: Sequence[ContentRecord]) -> bytes:
    """A protobuf body with ``contents``."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for content in contents:
        record = records.add(event_name=names.CONTENT_EVENT)
        body = body_of(content.text)
        if isinstance(body, bytes):
            record.body.bytes_value = body
        else:
            record.body.string_value = body
        for name, value in (
            (names.CONTENT_DIGEST, content.digest),
            (names.CONTENT_KIND, content.kind),
            (names.CONTENT_LEVEL, content.level),
            (names.CONTENT_SUBJECT, content.subject),
        ):
            record.attributes.add(key=name).value.string_value = value
    return bytes(request.SerializeToString())


def body_of(text: str) -> str | bytes:
    """``text`` as a log record can carry it: half a character is none in UTF-8, so bytes are."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _traces(spans: Sequence[SpanRecord]) -> bytes:
    request = ExportTraceServiceRequest()
    for (service, scope, resource), group in groupby(spans, key=_sender):
        of_resource = request.resource_spans.add()
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name = scope
        for name, value in {"service.name": service, **dict(resource)}.items():
            of_resource.resource.attributes.add(key=name).value.string_value = value
        for span in group:
            message = of_scope.spans.add(
                trace_id=bytes.fromhex(span.trace_id),
                span_id=bytes.fromhex(span.span_id),
                parent_span_id=bytes.fromhex(span.parent_span_id),
                name=span.name,
                kind=f"SPAN_KIND_{span.kind.upper()}",
                start_time_unix_nano=span.start_ns,
                end_time_unix_nano=span.end_ns,
            )
            message.status.code = _STATUSES.get(span.status, Status.STATUS_CODE_UNSET)
            message.status.message = span.status_message
            for name, value in span.attributes.items():
                message.attributes.add(key=name).value.string_value = value
    return bytes(request.SerializeToString())


def _sender(span: SpanRecord) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return span.service, span.scope, tuple(sorted(span.resource.items()))
