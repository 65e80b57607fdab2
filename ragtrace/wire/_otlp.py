"""OTLP bodies, protobuf and JSON, into span and content records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ragtrace.errors import WireError
from ragtrace.model import digest
from ragtrace.wire import _names as names
from ragtrace.wire._body import as_protobuf
from ragtrace.wire._spans import ContentRecord, SpanEvent, SpanRecord
from ragtrace.wire._values import as_text
from ragtrace.wire._walk import Batch, BrokenError, batches

__all__ = ["Reject", "decode_logs", "decode_traces"]

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
LATEST_NS: Final = (2**32 - 1) * 10**9
"""February 2106: the engine sorts by 32-bit seconds, and a later time would sort wrongly."""
EVENT_NAME: Final = "event.name"
"""Where log SDKs put the event name before the protocol had a field for it."""
MAX_ATTRIBUTES: Final = 4_096
"""Of one span: SDKs stop at 128, and who lifts that writes a few for each message of a prompt."""
MAX_EVENTS: Final = 1_024
"""Of one span, the first ones: SDKs stop at 128, and a result of a search is one event."""
MAX_VALUE: Final = 4 * 1024 * 1024
"""Characters of one attribute: a million tokens of a prompt."""
MAX_NAME: Final = 1_024
"""Characters of a span's name, or an attribute's: conventions stay below a hundred, and what is
longer is a text in the wrong place."""
MAX_SENDER_BYTES: Final = 16 * 1024
"""Resource and scope, encoded: they are stored with every span of theirs."""
CONTENT_KINDS: Final = frozenset({"chunk", "prompt", "completion"})
SUBJECTS: Final = ("document:", "user:", "session:")
SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")

M = TypeVar("M", bound=Message)

_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES: Final = {Status.STATUS_CODE_OK: "Ok", Status.STATUS_CODE_ERROR: "Error"}


Reject = Callable[[WireError], None]
"""Told why one span or log record is not stored."""

R = TypeVar("R", SpanRecord, ContentRecord)


def decode_traces(body: bytes, content_type: str, reject: Reject | None = None) -> list[SpanRecord]:
    """Read the spans of an OTLP/HTTP trace export, in their order.

    Args:
        body: The request body, already decompressed.
        content_type: ``application/x-protobuf`` or ``application/json``; parameters after a
            semicolon are ignored.
        reject: Told of each span that cannot be stored, which is then left out; without it,
            one such span refuses the whole body.

    Raises:
        WireError: The body is not what it claims to be. No other exception, whatever the bytes.
    """
    encoded = as_protobuf(body, content_type, ExportTraceServiceRequest())
    return list(_decoded(encoded, _span, reject))


def decode_logs(
    body: bytes, content_type: str, reject: Reject | None = None
) -> tuple[list[ContentRecord], int]:
    """Read the texts of an OTLP/HTTP log export, and count the records that carry none.

    The digest of a chunk or a completion is checked against its text; a prompt is a rope,
    which only the vault's owner can put together, and is not checked here.

    Args:
        body: The request body, already decompressed.
        content_type: As for ``decode_traces``.
        reject: As for ``decode_traces``, told of each text that cannot be stored.

    Raises:
        WireError: The body is not what it claims to be, or a text is not that of its digest.
    """
    strangers = 0

    def content(encoded: bytes, sender: _Sender) -> ContentRecord | None:
        nonlocal strangers
        found = _content(_parsed(encoded, LogRecord()))
        strangers += found is None
        return found

    encoded = as_protobuf(body, content_type, ExportLogsServiceRequest())
    return list(_decoded(encoded, content, reject)), strangers


class _Sender(NamedTuple):
    """Who sent a batch."""

    resource: dict[str, str]
    service: str
    scope: str


def _decoded(
    body: bytes, decode: Callable[[bytes, _Sender], R | None], reject: Reject | None
) -> Iterator[R]:
    for batch in batches(body):
        sender: _Sender | WireError
        try:
            sender = _sender(batch)
        except WireError as error:
            sender = error
        for encoded in batch.items:
            try:
                if isinstance(sender, WireError):
                    raise sender
                record = decode(encoded, sender)
            except BrokenError:
                raise
            except WireError as error:
                if reject is None:
                    raise
                reject(error)
            else:
                if record is not None:
                    yield record


def _sender(batch: Batch) -> _Sender:
    if len(batch.resource) + len(batch.scope) > MAX_SENDER_BYTES:
        raise WireError(f"resource and scope: expected at most {MAX_SENDER_BYTES} bytes")
    resource = _attributes(_parsed(batch.resource, Resource()).attributes)
    scope = _parsed(batch.scope, InstrumentationScope()).name
    return _Sender(resource, resource.get("service.name", ""), scope)


def _span(encoded: bytes, sender: _Sender) -> SpanRecord:
    span = _parsed(encoded, Span())
    if len(span.attributes) > MAX_ATTRIBUTES:
        raise WireError(f"span: expected at most {MAX_ATTRIBUTES} attributes")
    attributes = _attributes(span.attributes)
    if max(len(span.name), *map(len, attributes), 0) > MAX_NAME:
        raise WireError(f"span: its name and its attributes' names: at most {MAX_NAME} characters")
    if len(encoded) > MAX_VALUE:
        _check_lengths(attributes)
    return SpanRecord(
        trace_id=_hex(span.trace_id, TRACE_ID_BYTES, "trace id"),
        span_id=_hex(span.span_id, SPAN_ID_BYTES, "span id"),
        parent_span_id=_parent(span.parent_span_id),
        name=span.name,
        kind=_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else _KINDS[0],
        service=sender.service,
        scope=sender.scope,
        start_ns=_time(span.start_time_unix_nano, "start time"),
        end_ns=_time(span.end_time_unix_nano, "end time"),
        status=_STATUSES.get(span.status.code, "Unset"),
        status_message=span.status.message,
        attributes=attributes,
        resource=sender.resource,
        events=tuple(
            SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))
            for event in span.events[:MAX_EVENTS]
        ),
    )


def _parsed(encoded: bytes, message: M) -> M:
    try:
        message.ParseFromString(encoded)
    except DecodeError:
        raise BrokenError(f"body: expected a protobuf {message.DESCRIPTOR.name}") from None
    return message


def _check_lengths(attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        # Our own flows are as many as there are documents, and the body's limit bounds them.
        if len(value) > MAX_VALUE and not name.startswith(names.FLOWS):
            raise WireError(f"span: an attribute: expected at most {MAX_VALUE} characters")


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: as_text(pair.value) for pair in pairs}


def _said(body: AnyValue) -> str:
    """A text as it was filed; one with half a character in it came as bytes.

    Raises:
        WireError: The bytes are none of a text.
    """
    if body.WhichOneof("value") != "bytes_value":
        return as_text(body)
    try:
        return body.bytes_value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise WireError("log record: body: expected text") from None


def _content(record: LogRecord) -> ContentRecord | None:
    attributes = _attributes(record.attributes)
    if names.CONTENT_EVENT not in (record.event_name, attributes.get(EVENT_NAME)):
        return None
    content = ContentRecord(
        digest=attributes.get(names.CONTENT_DIGEST, ""),
        kind=attributes.get(names.CONTENT_KIND, ""),
        level=attributes.get(names.CONTENT_LEVEL, ""),
        text=_said(record.body),
        subject=attributes.get(names.CONTENT_SUBJECT, ""),
    )
    if not SHA256_HEX.fullmatch(content.digest):
        raise WireError(f"log record: {names.CONTENT_DIGEST}: expected 64 lower-case hex digits")
    if content.kind not in CONTENT_KINDS:
        raise WireError(f"log record: {names.CONTENT_KIND}: expected chunk, prompt or completion")
    if content.subject and not content.subject.startswith(SUBJECTS):
        raise WireError(
            f"log record: {names.CONTENT_SUBJECT}: expected document:, user: or session: and a name"
        )
    if content.kind != "prompt" and digest(content.text) != content.digest:
        raise WireError(f"log record: the text is not that of digest {content.digest}")
    return content


def _hex(value: bytes, length: int, what: str) -> str:
    if len(value) != length:
        raise WireError(f"span: {what}: expected {length} bytes, found {len(value)}")
    if not any(value):
        raise WireError(f"span: {what}: expected a byte that is not zero")
    return value.hex()


def _parent(value: bytes) -> str:
    if not any(value) and len(value) in (0, SPAN_ID_BYTES):
        return ""  # some exporters write a root's parent as zeros
    return _hex(value, SPAN_ID_BYTES, "parent span id")


def _time(nanoseconds: int, what: str) -> int:
    if nanoseconds > LATEST_NS:
        raise WireError(f"span: {what}: expected nanoseconds since 1970, before 2106")
    return nanoseconds
