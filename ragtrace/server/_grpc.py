"""Grpc: OTLP over gRPC, on the event loop of the HTTP server and into the same store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final
from urllib.parse import unquote

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from ragtrace.errors import StoreError, WireError
from ragtrace.server._inbound import RefusedError
from ragtrace.server._intake import Intake, Rejected
from ragtrace.server._peer import Peer
from ragtrace.server._sender import Sender
from ragtrace.server._success import logs_taken, metrics_taken, traces_taken

__all__ = ["GRPC_PORT", "OtlpServer"]

GRPC_PORT: Final = 4317
"""Where OTLP over gRPC is expected."""
READERS: Final = 8
"""Messages being read at once: how long one is, gRPC says only when it is there."""
DRAIN_SECONDS: Final = 30.0
"""How long calls in hand may take when the server is told to stop."""
PROTOBUF: Final = "application/x-protobuf"
_COLLECTOR: Final = "opentelemetry.proto.collector"
_STATUS_KEY: Final = "grpc-status-details-bin"
_CODES: Final = {
    413: grpc.StatusCode.INVALID_ARGUMENT,  # sent again, it would be as large
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

Take = Callable[[bytes, str, Sender], Coroutine[Any, Any, Rejected]]
Taken = Callable[[Rejected], Message]


class OtlpServer:
    """The three OTLP services on a port of their own.

    Args:
        intake: Shared with HTTP, limits and all.
        host: Where to listen.
        port: 0 for any that is free.
        credentials: For TLS; without them the connection is plain.

    Raises:
        StoreError: The port is taken.
    """

    def __init__(
        self,
        intake: Intake,
        host: str,
        port: int,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        limit = intake.limits.body_bytes
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limit),
                ("grpc.so_reuseport", 0),  # else a second server would share the port in silence
                ("grpc.max_metadata_size", 16 * 1024),
            ]
        )
        reading = asyncio.Semaphore(READERS)
        for service, take, taken in (
            ("trace.v1.TraceService", intake.traces, traces_taken),
            ("logs.v1.LogsService", intake.logs, logs_taken),
            ("metrics.v1.MetricsService", intake.metrics, metrics_taken),
        ):
            export = _exporting(intake, reading, take, taken)
            handler = grpc.stream_unary_rpc_method_handler(
                export, None, lambda answer: answer.SerializeToString()
            )
            methods = {"Export": handler}
            generic = grpc.method_handlers_generic_handler(f"{_COLLECTOR}.{service}", methods)
            self._server.add_generic_rpc_handlers((generic,))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port: Final = (
                self._server.add_insecure_port(address)
                if credentials is None
                else self._server.add_secure_port(address, credentials)
            )
        except RuntimeError:
            raise StoreError(f"server: {address}: gRPC cannot listen there") from None

    async def start(self) -> None:
        """Accept calls."""
        await self._server.start()

    async def stop(self) -> None:
        """Refuse new calls, and let those in hand end."""
        await self._server.stop(DRAIN_SECONDS)


def _exporting(
    intake: Intake, reading: asyncio.Semaphore, take: Take, taken: Taken
) -> Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext], Awaitable[Message]]:
    """One method. To gRPC it takes a stream: only so a message waits until there is room for it."""

    async def export(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> Message:
        sender = intake.sender(_peer(context))
        if sender is None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "expected a bearer token that may send telemetry"
            )
            raise AssertionError("abort raises")
        try:
            with intake.inbound.holding() as held:
                async with reading:
                    body = await _message(requests, intake.limits.read_seconds)
                    held.take(len(body))
                return taken(await held.until(take(body, PROTOBUF, sender)))
        except RefusedError as refused:
            code = _CODES.get(refused.status, grpc.StatusCode.INVALID_ARGUMENT)
            await _abort(context, intake, code, str(refused))
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except StoreError as error:
            await _abort(context, intake, grpc.StatusCode.UNAVAILABLE, str(error))
        raise AssertionError("abort raises")

    return export


async def _message(requests: AsyncIterator[bytes], seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            async for body in requests:
                return body
    except TimeoutError:
        raise RefusedError(429, "the message took too long to arrive") from None
    raise WireError("body: expected a message")


async def _abort(
    context: grpc.aio.ServicerContext, intake: Intake, code: grpc.StatusCode, reason: str
) -> Any:
    """End the call with a status that says when to come back, without which clients give up."""
    number = code.value[0]
    status = Status(code=number, message=reason)
    if code is not grpc.StatusCode.INVALID_ARGUMENT:
        delay = Duration(seconds=intake.limits.retry_after_seconds)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    details = ((_STATUS_KEY, status.SerializeToString()),)
    await context.abort(code, reason, details)


def _peer(context: grpc.aio.ServicerContext) -> Peer:
    """The sender, whose address gRPC has as ``ipv4:127.0.0.1:5`` or ``ipv6:[::1]:5``."""
    kind, _, rest = unquote(context.peer()).partition(":")
    address = rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
    metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
    return Peer(address, metadata, "2")
