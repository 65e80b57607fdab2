"""Whatever bytes arrive, they are stored or refused with a reason, and the server goes on.

``RAGTRACE_TEST_FUZZ=200000 pytest tests/server/test_fuzz.py`` tries that many bodies.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import tracemalloc
import zlib
from typing import Any, Final

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ragtrace.errors import WireError
from ragtrace.server import Limits, create_app
from ragtrace.testing.bench import resident
from ragtrace.wire import decode_logs, decode_traces
from tests.engine import flow, span
from tests.laws import examples
from tests.web import Slow, protobuf, text_log

BODIES: Final = int(os.environ.get("RAGTRACE_TEST_FUZZ", "3000"))
"""Bodies for the decoders; one in fifty goes through the whole server besides."""
GROWTH_MB: Final = 200.0
"""What the process may gain: the bodies are small, so more than noise would be a leak."""
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


def _json(message: Any, body: bytes) -> bytes:
    """An export as OTLP writes it in JSON, with ids in hex."""
    tree = json_format.MessageToDict(message.FromString(body))
    for resource in tree.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            for one in scope["spans"]:
                one |= {"traceId": "ab" * 16, "spanId": "cd" * 8}
                one.pop("parentSpanId", None)
    return json.dumps(tree).encode()


_SPANS: Final = protobuf(span(1, flow(0), flow(1)), span(2, flow(3)), span(3))
_TEXT: Final = text_log("staff only")
SEEDS: Final = (
    (_SPANS, PROTOBUF),
    (_TEXT, PROTOBUF),
    (_json(ExportTraceServiceRequest, _SPANS), JSON),
    (_json(ExportLogsServiceRequest, _TEXT), JSON),
)
_TREES: Final = (b"null", b"[]", b"{}", b"-1", b"1e999", b'"\\ud800"', b"NaN", b"[[[[[[")


def damaged(dice: random.Random) -> tuple[bytes, str]:
    """A good body after some accidents, or none that ever was one."""
    seed, kind = dice.choice(SEEDS)
    body = bytearray(seed)
    for _ in range(dice.randint(1, 5)):
        at, way = dice.randrange(len(body) + 1), dice.randrange(7)
        end = min(len(body), at + dice.choice((1, 2, 8, 64)))
        if way == 0:
            body[at:end] = dice.randbytes(dice.choice((0, 1, 2, 16)))
        elif way == 1 and at < len(body):
            body[at] ^= 1 << dice.randrange(8)
        elif way == 2:
            del body[at:]
        elif way == 3:  # a piece of another body
            other = dice.choice(SEEDS)[0]
            start = dice.randrange(len(other))
            body[at:at] = other[start : start + dice.choice((2, 20, 200))]
        elif way == 4:
            body[at:end] = body[at:end] * dice.choice((2, 9))
        elif way == 5:
            body[at:end] = dice.choice(_TREES)
        elif way == 6:  # tags and lengths of protobuf, at random
            body[at:end] = bytes(
                dice.choice(b"\x0a\x12\x1a\x4a\x00\x01\x7f\xff\x80") for _ in "123456"
            )
    return bytes(body), kind


def survives(body: bytes, kind: str) -> None:
    """Both decoders take it or refuse it, also where they may leave out a part."""
    for decode in (decode_traces, decode_logs):
        for reject in (None, lambda _: None):
            try:
                decode(body, kind, reject)
            except WireError as error:
                assert "staff" not in str(error)


@pytest.mark.timeout(0)
def test_decoders_refuse_and_never_fail() -> None:
    """No other exception however a body was damaged, and no memory that stays."""
    dice = random.Random(BODIES)
    for number in range(BODIES):
        survives(*damaged(dice))
        if number == min(1_000, BODIES // 2):
            before, _ = resident()
    after, _ = resident()
    assert after - before < GROWTH_MB


def packed(dice: random.Random, body: bytes) -> tuple[bytes, str]:
    """The body as an honest, a careless or a hostile client compresses it."""
    way = dice.randrange(6)
    if way == 0:
        return gzip.compress(body), "gzip"
    if way == 1:
        return zlib.compress(body), "deflate"
    if way == 2:
        return gzip.compress(body)[: dice.randrange(1, 40)], "gzip"
    if way == 3:
        return gzip.compress(body) + dice.randbytes(5), dice.choice(("gzip", "x-gzip", "deflate"))
    if way == 4:
        return gzip.compress(b"\0" * 200_000), "gzip"
    return body, dice.choice(("identity", "br", "gzip"))


@pytest.mark.timeout(0)
def test_the_server_answers_everything() -> None:
    """Never a 5xx, and when all is answered nothing is accounted for any more."""
    dice = random.Random(BODIES)
    app = create_app(Slow(0), limits=Limits(inflated_bytes=100_000, group_seconds=0.0))  # type: ignore[arg-type]

    async def ask(client: httpx.AsyncClient) -> int:
        body, kind = damaged(dice)
        content, encoding = packed(dice, body)
        path = dice.choice(("/v1/traces", "/v1/logs", "/v1/metrics"))
        headers = {"content-type": kind, "content-encoding": encoding}
        return (await client.post(path, content=content, headers=headers)).status_code

    async def everything() -> set[int]:
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
            app.router.lifespan_context(app),
        ):
            return {await ask(client) for _ in range(max(300, BODIES // 50))}

    assert asyncio.run(everything()) <= {200, 400, 413, 415}
    assert app.state.intake.inbound.held == 0


@settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(["good", "trace", "span", "late"]), max_size=8),
    st.sampled_from([PROTOBUF, JSON]),
)
def test_good_spans_are_kept_and_bad_ones_are_counted(fates: list[str], kind: str) -> None:
    """Whatever the mixture, each span is stored or counted, and the order stays."""
    request, counted = ExportTraceServiceRequest(), []
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, fate in enumerate(fates, 1):
        one = spans.add(trace_id=b"\x01" * 16, span_id=number.to_bytes(8, "big"), name=str(number))
        if fate == "trace":
            one.trace_id = b"\x01" * 3
        elif fate == "span":
            one.span_id = b""
        elif fate == "late":
            one.end_time_unix_nano = 2**63
    body = bytes(request.SerializeToString())
    if kind == JSON:
        tree = json_format.MessageToDict(request)
        for one, made in zip(_spans(tree), spans, strict=True):
            one |= {"traceId": made.trace_id.hex(), "spanId": made.span_id.hex()}
        body = json.dumps(tree).encode()
    found = decode_traces(body, kind, counted.append)
    kept = [str(number) for number, fate in enumerate(fates, 1) if fate == "good"]
    assert [one.name for one in found] == kept
    assert len(counted) == len(fates) - len(kept)


def _spans(tree: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tree["resourceSpans"][0]["scopeSpans"][0].get("spans", [])
    return found


@pytest.mark.parametrize("tag", [0x0A, 0x12], ids=["resources", "scopes"])
def test_a_body_of_nothing_but_beginnings_is_refused(tag: int) -> None:
    """Two bytes a message would be a hundred of memory each; their number is bounded."""
    empty = bytes([tag, 0]) * 400_000
    body = empty if tag == 0x0A else b"\x0a" + _varint(len(empty)) + empty
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="at most"):
            decode_traces(body, PROTOBUF)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * len(body)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])
