"""What the server promises those who export to it over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from ragtrace.model import digest
from ragtrace.server import Auth, Limits, create_app
from ragtrace.server._grpc import OtlpServer
from ragtrace.store import OWNER, Sought, Store
from tests.engine import flow, span, store
from tests.server.test_held import Stuck
from tests.web import Slow, in_background, protobuf, text_log

__all__ = ["store"]

COLLECTOR = "/opentelemetry.proto.collector"
TRACES = f"{COLLECTOR}.trace.v1.TraceService/Export"
LOGS = f"{COLLECTOR}.logs.v1.LogsService/Export"
METRICS = f"{COLLECTOR}.metrics.v1.MetricsService/Export"


@contextlib.asynccontextmanager
async def calling(opened: Any, **options: Any) -> AsyncIterator[tuple[grpc.aio.Channel, Any]]:
    """A channel to a server over ``opened``, and the intake behind it."""
    app = create_app(opened, **options)
    server = OtlpServer(app.state.intake, "127.0.0.1", 0)
    await server.start()
    try:
        async with (
            app.router.lifespan_context(app),
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            yield channel, app.state.intake
    finally:
        await server.stop()


def ask(opened: Any, body: bytes, method: str = TRACES, **options: Any) -> Any:
    """The raw answer to one call, or the error it ended with."""
    metadata = options.pop("metadata", None)

    async def once() -> Any:
        async with calling(opened, **options) as (channel, _):
            try:
                return await channel.unary_unary(method)(body, metadata=metadata, timeout=20)
            except grpc.aio.AioRpcError as error:
                return error

    return asyncio.run(once())


def details(error: grpc.aio.AioRpcError) -> Status:
    """The status that an error carries in full."""
    trailing = dict(error.trailing_metadata() or ())
    return Status.FromString(trailing["grpc-status-details-bin"])  # type: ignore[arg-type]


@pytest.fixture
def served_grpc(store: Store) -> Iterator[str]:
    """A server over gRPC beside this thread, for clients that block."""
    with in_background(calling_forever(store)) as address:
        yield address


@contextlib.asynccontextmanager
async def calling_forever(opened: Store) -> AsyncIterator[str]:
    """The address of a server."""
    app = create_app(opened)
    server = OtlpServer(app.state.intake, "127.0.0.1", 0)
    await server.start()
    async with app.router.lifespan_context(app):
        yield f"127.0.0.1:{server.port}"
    await server.stop()


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_a_real_exporter_is_understood(
    store: Store, served_grpc: str, compression: grpc.Compression | None
) -> None:
    """Spans and texts of the SDK arrive through its own gRPC exporters, gzip and all."""
    options: dict[str, Any] = {"endpoint": served_grpc, "insecure": True}
    provider, logs = TracerProvider(), LoggerProvider()
    exporter = OTLPSpanExporter(**options, compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(**options)))
    with provider.get_tracer("ragtrace").start_as_current_span("chat gpt") as live:
        live.set_attribute("ragtrace.request.id", "r1")
        live.set_attribute("ragtrace.flows", "[" + ",".join(['{"document": "d"}'] * 300) + "]")
    content = {"digest": digest("hello"), "kind": "chunk", "level": "internal"}
    logs.get_logger("ragtrace").emit(
        event_name="ragtrace.content",
        body="hello",
        attributes={f"ragtrace.content.{key}": value for key, value in content.items()},
    )
    provider.shutdown()
    logs.shutdown()
    read = store.trace(f"{live.get_span_context().trace_id:032x}", access=OWNER)
    assert (read.spans[0].name, len(read.flows)) == ("chat gpt", 300)
    assert store.texts([digest("hello")], access=OWNER) == {digest("hello"): "hello"}


def test_the_answers_are_those_of_the_protocol(store: Store) -> None:
    """Empty where all is stored; metrics are taken and forgotten."""
    empty = ExportTraceServiceResponse().SerializeToString()
    assert ask(store, protobuf(span(1, flow()))) == empty
    assert ask(store, text_log("hello"), LOGS) == ExportLogsServiceResponse().SerializeToString()
    assert ask(store, b"\xff", METRICS) == b""
    assert len(store.reach(Sought(names=("doc-0",)), access=OWNER).rows) == 1


def test_a_bad_span_is_counted_and_the_rest_is_stored() -> None:
    """Partial success: how many were rejected, and why."""
    body = protobuf(span(1), replace(span(2), span_id="00" * 8), span(3))
    answer = ExportTraceServiceResponse.FromString(ask(slow := Slow(0), body))
    assert answer.partial_success.rejected_spans == 1
    assert "span id" in answer.partial_success.error_message
    assert slow.writes == [2]


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"\xff", grpc.StatusCode.INVALID_ARGUMENT, "expected a protobuf"),
        (b"\0" * 5_000, grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
    ],
)
def test_a_refusal_says_why(body: bytes, code: grpc.StatusCode, reason: str) -> None:
    """Status and reason; nothing was stored."""
    error = ask(slow := Slow(0), body, limits=Limits(body_bytes=4_096))
    assert error.code() is code
    assert reason in error.details()
    assert slow.writes == []


def test_a_decompression_bomb_is_not_unpacked() -> None:
    """What gzip would make of a message counts, not what was sent."""

    async def bomb() -> grpc.StatusCode:
        async with calling(Slow(0), limits=Limits(body_bytes=4_096)) as (channel, _):
            call = channel.unary_unary(TRACES)
            zeros = b"\0" * 50_000_000
            assert len(gzip.compress(zeros)) < 50_000
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(zeros, compression=grpc.Compression.Gzip)
            return refused.value.code()

    assert asyncio.run(bomb()) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_too_much_at_once_is_turned_away_with_a_time_to_come_back() -> None:
    """RESOURCE_EXHAUSTED with RetryInfo, without which a client would drop its batch."""
    body = protobuf(span(1, flow()))
    limits = Limits(held_bytes=2 * len(body) + 1, group_seconds=0.0)

    async def at_once() -> tuple[list[Any], int]:
        async with calling(Slow(0.2), limits=limits) as (channel, intake):
            calls = [channel.unary_unary(TRACES)(body) for _ in range(6)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            return answers, intake.inbound.held

    answers, held = asyncio.run(at_once())
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert 0 < len(refused) < 6
    for error in refused:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status, info = details(error), RetryInfo()
        assert (status.code, status.details[0].Unpack(info)) == (8, True)
        assert info.retry_delay.seconds == 2
    assert held == 0


def test_a_store_that_fails_is_unavailable() -> None:
    """With RetryInfo too: sending it again is safe."""
    error = ask(Slow(0, refuse="poison"), protobuf(replace(span(1), name="poison")))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "store: write: NO"
    assert details(error).details[0].Is(RetryInfo.DESCRIPTOR)


def test_a_token_is_asked_for_before_the_body_is_read(tmp_path: Any) -> None:
    """With an access file, whoever shows no token that may send is unauthenticated."""
    token = hashlib.sha256(b"sesame").hexdigest()
    access = tmp_path / "access.yaml"
    access.write_text(f"- name: bank\n  token_sha256: {token}\n  roles: [ingest]\n")
    auth = Auth(access_file=str(access))
    body = protobuf(span(1))
    for metadata in (None, (("authorization", "Bearer wrong"),)):
        error = ask(slow := Slow(0), b"\xff", auth=auth, metadata=metadata)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert slow.writes == []
    right = (("authorization", "Bearer sesame"),)
    assert ask(slow := Slow(0), body, auth=auth, metadata=right) == b""
    assert slow.writes == [1]


def test_what_a_cancelled_call_left_behind_is_held_until_it_is_written() -> None:
    """Else those who call and go away fill the memory, and nobody is turned away."""
    stuck, body = Stuck(), protobuf(span(1))

    async def come_and_go() -> tuple[int, int]:
        async with calling(stuck, limits=Limits(group_seconds=0.0)) as (channel, intake):
            for number in range(1, 6):
                call = channel.unary_unary(TRACES)(body)
                while intake.inbound.held < number * len(body):
                    await asyncio.sleep(0.01)
                call.cancel()
            await asyncio.sleep(0.2)  # the server hears of it
            held = intake.inbound.held
            stuck.go_on.set()
            while intake.inbound.held:
                await asyncio.sleep(0.01)
            return held, sum(stuck.writes)

    assert asyncio.run(asyncio.wait_for(come_and_go(), 20)) == (5 * len(body), 5)


def test_a_message_that_stalls_is_given_up() -> None:
    """With a time to come back; what waits to be read is not kept waiting for it."""

    async def stalling() -> AsyncIterator[bytes]:
        await asyncio.sleep(20)
        yield b""

    async def once() -> grpc.aio.AioRpcError:
        async with calling(Slow(0), limits=Limits(read_seconds=0.05)) as (channel, _):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.stream_unary(TRACES)(stalling())
            return refused.value

    error = asyncio.run(asyncio.wait_for(once(), 10))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error).details[0].Is(RetryInfo.DESCRIPTOR)


def test_a_key_is_bound_over_grpc_too(tmp_path: Any, store: Store) -> None:
    """Its tenant stands on what is stored, and another's is counted and left out."""
    token = hashlib.sha256(b"sesame").hexdigest()
    access = tmp_path / "access.yaml"
    access.write_text(f"- {{name: bank, token_sha256: {token}, roles: [ingest], tenant: acme}}\n")
    body = protobuf(span(1, flow()), span(2, flow(), ragtrace__tenant="globex"))
    shown = (("authorization", "Bearer sesame"),)
    answer = ask(store, body, auth=Auth(access_file=str(access)), metadata=shown)
    part = ExportTraceServiceResponse.FromString(answer).partial_success
    assert part.rejected_spans == 1
    assert [row.tenant for row in store.flows(access=OWNER)] == ["acme"]


def test_gigantic_numbers_of_callers_wait_their_turn() -> None:
    """Two hundred calls at once are all answered, and nothing stays accounted for."""

    async def many() -> tuple[set[bytes], int]:
        async with calling(slow := Slow(0.001)) as (channel, intake):
            bodies = [protobuf(span(number)) for number in range(1, 201)]
            answers = await asyncio.gather(*(channel.unary_unary(TRACES)(b) for b in bodies))
            assert sum(slow.writes) == 200
            return set(answers), intake.inbound.held

    assert asyncio.run(many()) == ({b""}, 0)
