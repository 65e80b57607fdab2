"""Partial success, and the account of what is in hand."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ragtrace.server import Auth, Limits, create_app
from ragtrace.store import Store
from ragtrace.wire import _otlp
from tests.engine import flow, span, store
from tests.web import JSON, PROTOBUF, Slow, client_of, post, protobuf, run, text_log

__all__ = ["store"]


def test_a_bad_span_does_not_spoil_its_batch() -> None:
    """The good ones are stored; the answer counts the others and says why the first is one."""
    bad = replace(span(2), trace_id="00" * 16), replace(span(4), start_ns=2**63)
    body = protobuf(span(1), bad[0], span(3), bad[1])
    (answer,) = run(slow := Slow(0), post(body, PROTOBUF))
    part = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, part.rejected_spans) == (200, 2)
    assert part.error_message == "span: trace id: expected a byte that is not zero"
    assert slow.writes == [2]


def test_it_is_so_in_json() -> None:
    """As the protocol's JSON has it, where 64-bit numbers are text."""
    spans = [{"traceId": trace, "spanId": "cd" * 8, "name": "x"} for trace in ("ab" * 16, "ab")]
    tree = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    (answer,) = run(slow := Slow(0), post(json.dumps(tree).encode(), JSON))
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert slow.writes == [1]


def test_a_forged_text_does_not_spoil_the_texts_beside_it() -> None:
    """Only what is not that of its digest is left out, and the text is not repeated."""
    request = ExportLogsServiceRequest.FromString(text_log("hello"))
    records = request.resource_logs[0].scope_logs[0].log_records
    records.add().CopyFrom(records[0])
    records[-1].body.string_value = "secret words"
    (answer,) = run(slow := Slow(0), post(request.SerializeToString(), PROTOBUF, "/v1/logs"))
    part = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert part.rejected_log_records == 1
    assert b"secret" not in answer.content
    assert slow.writes == [1]


@pytest.mark.parametrize("bound", ["MAX_ATTRIBUTES", "MAX_VALUE", "MAX_SENDER_BYTES"])
def test_what_is_beyond_a_bound_is_rejected_and_never_cut(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Too many attributes, too long a value, too much about the sender."""
    monkeypatch.setattr(_otlp, bound, 15)
    big = span(1, long="x" * 100)
    (answer,) = run(slow := Slow(0), post(protobuf(big), PROTOBUF))
    part = ExportTraceServiceResponse.FromString(answer.content).partial_success
    if bound == "MAX_ATTRIBUTES":
        assert (part.rejected_spans, slow.writes) == (0, [1])  # it has eleven
        many = span(1, **{f"a{number}": "" for number in range(20)})
        (answer,) = run(slow, post(protobuf(many), PROTOBUF))
        part = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert part.rejected_spans == 1
    assert "expected at most 15" in part.error_message


def test_our_own_flows_have_no_bound_but_the_body_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents there were, the record of them is stored whole."""
    monkeypatch.setattr(_otlp, "MAX_VALUE", 100)
    (answer,) = run(slow := Slow(0), post(protobuf(span(1, *map(flow, range(200)))), PROTOBUF))
    assert (answer.content, slow.writes) == (b"", [1])


def test_what_is_in_hand_is_accounted_for_to_the_byte() -> None:
    """While a request waits, its body as sent and unpacked; after any answer, nothing."""
    body = protobuf(span(1, flow()))
    packed = gzip.compress(body)
    app = create_app(Slow(0.3), limits=Limits(body_bytes=10_000))  # type: ignore[arg-type]
    inbound = app.state.intake.inbound

    async def look() -> tuple[int, list[int]]:
        async with client_of(None, app=app) as client:
            zipped = PROTOBUF | {"content-encoding": "gzip"}
            calls = [post(body, PROTOBUF), post(packed, zipped)]
            waiting = [asyncio.create_task(client.request(**call)) for call in calls]
            await asyncio.sleep(0.15)
            held = inbound.held
            bad: list[dict[str, Any]] = [
                post(b"\xff", PROTOBUF),
                post(b"x", zipped),
                post(b"\0" * 20_000, PROTOBUF),
            ]
            answers = await asyncio.gather(*waiting, *(client.request(**call) for call in bad))
            return held, [answer.status_code for answer in answers]

    assert asyncio.run(look()) == (2 * len(body) + len(packed), [200, 200, 400, 400, 413])
    assert inbound.held == 0


def test_a_token_that_may_send_sees_nothing(tmp_path: Any, store: Store) -> None:
    """And without one nobody sends, not even from this machine."""
    import hashlib

    token = hashlib.sha256(b"sesame").hexdigest()
    access = tmp_path / "access.yaml"
    access.write_text(f"- name: bank\n  token_sha256: {token}\n  roles: [ingest]\n")
    shown = {"authorization": "Bearer sesame"}
    calls = [
        post(protobuf(span(1)), PROTOBUF),
        post(protobuf(span(1)), PROTOBUF | shown),
        {"method": "GET", "url": "/v1/flows", "headers": shown},
    ]
    answers = run(store, *calls, auth=Auth(access_file=str(access)))
    assert [answer.status_code for answer in answers] == [401, 200, 403]
    assert answers[0].headers["www-authenticate"] == "Bearer"
