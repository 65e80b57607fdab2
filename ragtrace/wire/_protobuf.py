"""Protobuf: spans and log records as OTLP, without an object of protobuf's for each attribute.

The standard encoder makes four objects an attribute, which takes most of what it costs to send a
span. What is rare (events, links, nested values) is left to it: two bodies in a row are one body.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as encode_any
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

__all__ = ["encode_records", "encode_spans"]

NAMES: Final = 1_024
"""Attribute names that are kept encoded; an application has some hundred."""
PAIRS: Final = 1_024
"""Names with a short text that are kept encoded; half of what a span of ours says was said by one
before it, or is of the request, which has several. About 300 KB."""
SHORT: Final = 64
"""Characters of such a text; a digest has as many."""
SENDERS: Final = 64
"""Resources and scopes that are kept encoded; a process has one, and some ten."""

_SMALL: Final = tuple(bytes((number,)) for number in range(128))
_TIMES: Final = struct.Struct("<BQBQ")
_FIXED64: Final = struct.Struct("<BQ")
_DOUBLE: Final = struct.Struct("<Bd")
_KINDS: Final = {kind: b"\x30" + _SMALL[kind.value + 1] for kind in SpanKind}
_LOCAL: Final = b"\x85\x01" + struct.pack("<I", 0x100)
_REMOTE: Final = b"\x85\x01" + struct.pack("<I", 0x300)
"""Whether the parent is another process's: known, and it is not; known, and it is."""
_FALSE: Final = b"\x10\x00"
_TRUE: Final = b"\x10\x01"


def encode_spans(spans: Sequence[ReadableSpan]) -> bytes:
    """An OTLP trace request with ``spans``, as the standard encoder makes it."""
    return _bodies(spans, _span, lambda rest: encode_any(rest).SerializeToString())


def encode_records(records: Sequence[Any]) -> bytes:
    """An OTLP log request with ``records`` of the SDK, as the standard encoder makes it."""
    return _bodies(records, _record, lambda rest: encode_logs(rest).SerializeToString())


def _bodies(items: Sequence[Any], encode: Any, standard: Any) -> bytes:
    """What each of ``items`` is, grouped by sender; and what ``encode`` leaves to ``standard``."""
    # By identity, as items keep them alive: the hash of a resource is that of its JSON.
    senders: dict[tuple[int, int], tuple[Any, list[bytes]]] = {}
    rest = []
    for item in items:
        encoded = encode(item)
        if encoded is None:
            rest.append(item)
            continue
        sender = id(item.resource), id(item.instrumentation_scope)
        if sender not in senders:
            senders[sender] = item, []
        senders[sender][1].append(encoded)
    made = [
        _sent(one.resource, one.instrumentation_scope, parts) for one, parts in senders.values()
    ]
    if rest:
        made.append(standard(rest))
    return b"".join(made)


def _sent(resource: Resource, scope: InstrumentationScope | None, parts: list[bytes]) -> bytes:
    """A request with one resource and one scope; its fields are the same in both signals."""
    said, schema = _scope(scope)
    of_scope = _field(b"\x0a", said) + b"".join(_field(b"\x12", part) for part in parts) + schema
    about, schema = _resource(resource)
    return _field(b"\x0a", _field(b"\x0a", about) + _field(b"\x12", of_scope) + schema)


@lru_cache(SENDERS)
def _resource(resource: Resource) -> tuple[bytes, bytes]:
    encoded = _attributes(b"\x0a", resource.attributes) or b""
    return encoded, _text(b"\x1a", resource.schema_url)


@lru_cache(SENDERS)
def _scope(scope: InstrumentationScope | None) -> tuple[bytes, bytes]:
    if scope is None:
        return b"", b""
    attributes = _attributes(b"\x1a", scope.attributes or {}) or b""
    said = _text(b"\x0a", scope.name) + _text(b"\x12", scope.version) + attributes
    return said, _text(b"\x1a", scope.schema_url)


def _span(span: ReadableSpan) -> bytes | None:
    """One span; ``None`` where something of it is rare."""
    context, parent, status = span.context, span.parent, span.status
    attributes = _attributes(b"\x4a", span.attributes or {})
    if (
        attributes is None
        or context is None
        or span.events
        or span.links
        or context.trace_state
        or span.dropped_events
        or span.dropped_links
    ):
        return None
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16), b"\x12\x08", context.span_id.to_bytes(8)]
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8))
    parts += (
        _text(b"\x2a", span.name),
        _KINDS[span.kind],
        _TIMES.pack(0x39, span.start_time or 0, 0x41, span.end_time or 0),
        attributes,
    )
    if span.dropped_attributes:
        parts += (b"\x50", _varint(span.dropped_attributes))
    code = status.status_code.value
    said = _text(b"\x12", status.description) + (b"\x18" + _SMALL[code] if code else b"")
    remote = parent is not None and parent.is_remote
    parts += (_field(b"\x7a", said), _REMOTE if remote else _LOCAL)
    return b"".join(parts)


def _record(item: Any) -> bytes | None:
    """One log record; ``None`` where something of it is rare."""
    record = item.log_record
    attributes = _attributes(b"\x32", record.attributes or {})
    if attributes is None or not isinstance(record.body, str) or item.dropped_attributes:
        return None
    if record.severity_number is not None or record.severity_text:
        return None
    parts = []
    if record.timestamp:
        parts.append(_FIXED64.pack(0x09, record.timestamp))
    parts += (_field(b"\x2a", _string(record.body)), attributes)
    if flags := int(record.trace_flags or 0):
        parts.append(b"\x45" + struct.pack("<I", flags))
    if record.trace_id:
        parts += (b"\x4a\x10", record.trace_id.to_bytes(16))
    if record.span_id:
        parts += (b"\x52\x08", record.span_id.to_bytes(8))
    if record.observed_timestamp:
        parts.append(_FIXED64.pack(0x59, record.observed_timestamp))
    parts.append(_text(b"\x62", record.event_name))
    return b"".join(parts)


def _attributes(tag: bytes, attributes: Mapping[str, Any]) -> bytes | None:
    """``attributes`` as a repeated field; ``None`` where a value is no plain one."""
    parts: list[bytes] = []
    for name, value in _items(attributes):
        kind = type(value)
        if kind is str:
            parts.append(
                _short(tag, name, value) if len(value) <= SHORT else _pair(tag, name, value)
            )
            continue
        if kind is bool:
            said = _TRUE if value else _FALSE
        elif kind is int and -(2**63) <= value < 2**63:
            said = b"\x18" + _varint(value)
        elif kind is float:
            said = _DOUBLE.pack(0x21, value)
        else:
            array = _array(value)
            if array is None:
                return None
            said = array
        parts.append(_keyed(tag, name, said))
    return b"".join(parts)


def _pair(tag: bytes, name: str, value: str) -> bytes:
    """One attribute that is text."""
    return _keyed(tag, name, _string(value))


_short: Final = lru_cache(PAIRS)(_pair)


def _keyed(tag: bytes, name: str, said: bytes) -> bytes:
    key = _name(name)
    size = len(said)
    head = _SMALL[size] if size < 128 else _varint(size)
    return b"".join((tag, _varint(len(key) + len(head) + size), key, head, said))


def _items(attributes: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    # The SDK's mapping takes two calls of Python code for each item; its copy is a plain one.
    copied = getattr(attributes, "copy", None)
    return copied().items() if copied is not None else attributes.items()


def _array(value: Any) -> bytes | None:
    """A tuple of texts, the one kind of array that is usual, as in a resource."""
    if type(value) is not tuple or not all(type(one) is str for one in value):
        return None
    return _field(b"\x2a", b"".join(_field(b"\x0a", _string(one)) for one in value))


def _string(value: str) -> bytes:
    # Half a surrogate pair is no character: the back end would refuse all of the request.
    encoded = value.encode("utf-8", "replace")
    return b"\x0a" + _varint(len(encoded)) + encoded


@lru_cache(NAMES)
def _name(name: str) -> bytes:
    """A key, and the tag of the value that follows it."""
    return _string(name) + b"\x12"


def _text(tag: bytes, value: str | None) -> bytes:
    return _field(tag, value.encode("utf-8", "replace")) if value else b""


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _SMALL[number]
    if 0 <= number < 16_384:
        return bytes((number & 127 | 128, number >> 7))
    if number < 0:
        number += 1 << 64
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
