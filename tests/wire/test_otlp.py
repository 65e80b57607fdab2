"""What the decoder promises about bytes from outside."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from ragtrace.errors import WireError
from ragtrace.model import digest
from ragtrace.wire import ContentRecord, SpanRecord, decode_logs, decode_traces
from tests.laws import examples

PROTOBUF = "application/x-protobuf"
JSON = "application/json; charset=utf-8"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FUZZ = settings(max_examples=examples(1000), deadline=None, suppress_health_check=list(HealthCheck))


def span_json(**change: Any) -> dict[str, Any]:
    """One OTLP/JSON span, as a client that follows the specification writes it."""
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": "",
        "name": "chat gpt",
        "kind": 3,
        "startTimeUnixNano": "1700000000000000001",
        "endTimeUnixNano": "1700000000000000009",
        "status": {"code": 2, "message": "no"},
        "attributes": [
            {"key": "s", "value": {"stringValue": "é"}},
            {"key": "i", "value": {"intValue": "7"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "b", "value": {"boolValue": True}},
            {"key": "a", "value": {"arrayValue": {"values": [{"intValue": 1}, {}]}}},
            {"key": "n", "value": {"doubleValue": "NaN"}},
        ],
    }
    return span | change


def body_json(*spans: dict[str, Any]) -> bytes:
    """Such spans in one request of service ``bank``."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bank"}}]}
    scope_spans = [{"scope": {"name": "ragtrace"}, "spans": list(spans)}]
    tree = {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}
    return json.dumps(tree).encode()


def request_of(*spans: dict[str, Any]) -> ExportTraceServiceRequest:
    """The same request as a protobuf message."""
    request = ExportTraceServiceRequest()
    bare = [{k: v for k, v in s.items() if not k.endswith("Id")} for s in spans]
    json_format.Parse(body_json(*bare), request)
    for message, span in zip(request.resource_spans[0].scope_spans[0].spans, spans, strict=True):
        message.trace_id = bytes.fromhex(span["traceId"])
        message.span_id = bytes.fromhex(span["spanId"])
    return request


def log_body(
    text: str, *, kind: str = "chunk", name: str | None = None, event: bool = True
) -> bytes:
    """One log record of ours; ``event`` puts its name in the field, else in the attribute."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = text
    attributes = {"digest": name or digest(text), "kind": kind, "level": "internal"}
    for key, value in attributes.items():
        record.attributes.add(key=f"ragtrace.content.{key}").value.string_value = value
    if event:
        record.event_name = "ragtrace.content"
    else:
        record.attributes.add(key="event.name").value.string_value = "ragtrace.content"
    return bytes(request.SerializeToString())


def test_json_and_protobuf_give_the_same_record() -> None:
    """Either encoding of a span gives the same record, values as text."""
    expected = SpanRecord(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id="",
        name="chat gpt",
        kind="Client",
        service="bank",
        scope="ragtrace",
        start_ns=1700000000000000001,
        end_ns=1700000000000000009,
        status="Error",
        status_message="no",
        attributes={"s": "é", "i": "7", "d": "0.5", "b": "true", "a": "[1,null]", "n": "nan"},
        resource={"service.name": "bank"},
    )
    assert decode_traces(body_json(span_json()), JSON) == [expected]
    assert decode_traces(request_of(span_json()).SerializeToString(), PROTOBUF) == [expected]


def test_nested_values_become_json() -> None:
    """A map within a list is JSON, bytes are base64, and text stays as it is."""
    request = request_of(span_json(attributes=[]))
    inner = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue())]))
    value = AnyValue(array_value=ArrayValue(values=[inner, AnyValue(bytes_value=b"\xff")]))
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="x", value=value)
    (span,) = decode_traces(request.SerializeToString(), PROTOBUF)
    assert json.loads(span.attributes["x"]) == [{"k": None}, "/w=="]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"traceId": TRACE[2:]}, "trace id: expected 16 bytes, found 15"),
        ({"traceId": ""}, "trace id: expected 16 bytes, found 0"),
        ({"traceId": "0" * 32}, "trace id: expected a byte that is not zero"),
        ({"traceId": "zz" * 16}, "traceId: expected hex digits"),
        ({"spanId": "0" * 16}, "span id: expected a byte that is not zero"),
        ({"parentSpanId": "ab"}, "parent span id: expected 8 bytes, found 1"),
        ({"startTimeUnixNano": str(2**63)}, "start time: expected nanoseconds"),
        ({"endTimeUnixNano": "-1"}, "expected a JSON ExportTraceServiceRequest"),
        ({"name": "\ud800"}, "expected a JSON ExportTraceServiceRequest"),
        ({"attributes": 3}, "expected a JSON ExportTraceServiceRequest"),
        ({"traceId": 3}, "expected a JSON ExportTraceServiceRequest"),
    ],
)
def test_a_bad_span_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    """What is wrong, where, and what was expected are in the message."""
    with pytest.raises(WireError, match=reason):
        decode_traces(body_json(span_json(**change)), JSON)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff", PROTOBUF),
        (b"\x0a\xff\xff\xff\xff\x0f", PROTOBUF),
        (b"{", JSON),
        (b"[]", JSON),
        (b"\xff\xfe", JSON),
        (b'{"resourceSpans": NaN}', JSON),
        (b"[" * 100_000, JSON),
        (b'{"x":' * 900 + b"1" + b"}" * 900, JSON),
        (b'{"n": ' + b"9" * 10_000 + b"}", JSON),
        (b"", "text/plain"),
    ],
)
def test_a_bad_body_is_refused(body: bytes, kind: str) -> None:
    """Broken encodings, depth bombs and other media types are wire errors."""
    with pytest.raises(WireError):
        decode_traces(body, kind)


def test_a_protobuf_depth_bomb_is_refused() -> None:
    """A value nested beyond the limit is a wire error, in either encoding."""
    for depth in (60, 5_000):
        body = b""
        for _ in range(depth):
            for tag in (0x0A, 0x2A):  # ArrayValue.values within AnyValue.array_value
                body = bytes([tag]) + _varint(len(body)) + body
        pair = b"\x0a\x01x\x12" + _varint(len(body)) + body
        span = b"\x4a" + _varint(len(pair)) + pair
        span = b"\x0a\x10" + bytes.fromhex(TRACE) + b"\x12\x08" + bytes.fromhex(SPAN) + span
        for tag in (0x12, 0x12, 0x0A):
            span = bytes([tag]) + _varint(len(span)) + span
        with pytest.raises(WireError):
            decode_traces(span, PROTOBUF)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def test_unknown_fields_are_ignored() -> None:
    """A client newer than this program is understood as far as it goes."""
    assert len(decode_traces(body_json(span_json(brandNew={"x": [1]})), JSON)) == 1


@pytest.mark.parametrize("event", [True, False])
def test_a_text_arrives_with_its_digest(event: bool) -> None:
    """The event name may be the field or the attribute; the text comes out whole."""
    contents, ignored = decode_logs(log_body("staff only: é\0\n", event=event), PROTOBUF)
    assert contents == [
        ContentRecord(digest("staff only: é\0\n"), "chunk", "internal", "staff only: é\0\n")
    ]
    assert ignored == 0
    assert "staff" not in repr(contents)


def test_other_log_records_are_counted() -> None:
    """A log record that is not ours is accepted and ignored."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    assert decode_logs(request.SerializeToString(), PROTOBUF) == ([], 1)


@pytest.mark.parametrize(
    "change",
    [{"name": digest("other")}, {"name": "short"}, {"kind": "novel"}],
)
def test_a_text_must_be_that_of_its_digest(change: dict[str, Any]) -> None:
    """A forged digest is refused, without the text in the message."""
    with pytest.raises(WireError) as refused:
        decode_logs(log_body("secret words", **change), PROTOBUF)
    assert "secret" not in str(refused.value)


def test_a_prompt_rope_is_taken_on_trust() -> None:
    """A rope's digest names what it unrolls to, which only the vault can tell."""
    contents, _ = decode_logs(log_body("rope", kind="prompt", name=digest("unrolled")), PROTOBUF)
    assert contents[0].digest == digest("unrolled")


def _survives(body: bytes, kind: str) -> None:
    for decode in (decode_traces, decode_logs):
        try:
            decode(body, kind)
        except WireError:
            pass


@FUZZ
@given(st.binary(max_size=400), st.sampled_from([PROTOBUF, JSON]))
def test_random_bytes_give_wire_errors_only(body: bytes, kind: str) -> None:
    """No other exception, whatever the bytes."""
    _survives(body, kind)


SEEDS = (
    (body_json(span_json()), JSON),
    (request_of(span_json()).SerializeToString(), PROTOBUF),
    (log_body("text"), PROTOBUF),
    (
        json_format.MessageToJson(ExportLogsServiceRequest.FromString(log_body("text"))).encode(),
        JSON,
    ),
)


@FUZZ
@given(st.randoms(use_true_random=False), st.sampled_from(SEEDS))
def test_mutated_bodies_give_wire_errors_only(
    chance: random.Random, seed: tuple[bytes, str]
) -> None:
    """No other exception, however a good body was damaged."""
    body = bytearray(seed[0])
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice([0, 1, 1, 2, 8]))
        body[start:end] = chance.randbytes(chance.choice([0, 1, 1, 2]))
    _survives(bytes(body), seed[1])


FIELDS = (
    "resourceSpans scopeSpans spans traceId attributes value resourceLogs scopeLogs logRecords "
    "key arrayValue values stringValue intValue kind status bytesValue body"
).split()
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@FUZZ
@given(TREES)
def test_json_of_any_shape_gives_wire_errors_only(tree: object) -> None:
    """No other exception, whatever JSON stands where."""
    _survives(json.dumps(tree).encode(), JSON)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 1025},
        {"attributes": [{"key": "x" * 1025, "value": {"stringValue": "1"}}]},
    ],
)
def test_a_text_in_the_place_of_a_name_is_rejected(change: dict[str, Any]) -> None:
    """The span beside it is read."""
    rejected: list[WireError] = []
    found = decode_traces(body_json(span_json(**change), span_json()), JSON, rejected.append)
    assert (len(found), len(rejected)) == (1, 1)
    assert "at most 1024 characters" in str(rejected[0])


@pytest.mark.parametrize("place", ["resource", "kind"])
def test_half_a_character_in_json_is_refused_wherever_it_stands(place: str) -> None:
    """Also where protobuf's reader looks for a name."""
    tree: dict[str, Any] = {"resourceSpans": ["\ud800"]}
    if place == "kind":
        tree = json.loads(body_json(span_json(kind="\ud800")))
    with pytest.raises(WireError):
        decode_traces(json.dumps(tree).encode(), JSON)
