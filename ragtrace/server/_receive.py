"""Receive: OTLP/HTTP in, acknowledged when it is on disk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.code_pb2 import (
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
)
from google.rpc.status_pb2 import Status
from starlette.requests import ClientDisconnect

from ragtrace.errors import StoreError, WireError
from ragtrace.server._inbound import RefusedError
from ragtrace.server._intake import Intake, Rejected
from ragtrace.server._limits import Limits
from ragtrace.server._peer import Peer
from ragtrace.server._sender import Sender
from ragtrace.server._success import logs_taken, metrics_taken, traces_taken

__all__ = ["receiver"]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_RETRY: Final = frozenset({429, 503})
_CODES: Final = {
    401: UNAUTHENTICATED,
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    503: UNAVAILABLE,
}

Take = Callable[[bytes, str, Sender], Coroutine[Any, Any, Rejected]]
Taken = Callable[[Rejected], Message]


def receiver(intake: Intake) -> APIRouter:
    """Build the three OTLP endpoints over ``intake``."""
    router = APIRouter()
    limits = intake.limits

    async def receive(request: Request, take: Take, taken: Taken) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            sender = intake.sender(Peer.of(request))
            if sender is None:
                raise RefusedError(401, "expected a bearer token that may send telemetry")
            if kind not in (PROTOBUF, JSON):
                raise RefusedError(415, f"content-type: expected {PROTOBUF} or {JSON}")
            with intake.inbound.holding() as held:
                body = await intake.inbound.read(request, held)
                rejected = await held.until(take(body, kind, sender))
        except RefusedError as refused:
            return _failed(refused.status, str(refused), kind, limits)
        except WireError as error:
            return _failed(400, str(error), kind, limits)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except StoreError as error:
            return _failed(503, str(error), kind, limits)
        return _encoded(taken(rejected), kind, 200)

    @router.post("/v1/traces")
    async def traces(request: Request) -> Response:
        return await receive(request, intake.traces, traces_taken)

    @router.post("/v1/logs")
    async def logs(request: Request) -> Response:
        return await receive(request, intake.logs, logs_taken)

    @router.post("/v1/metrics")
    async def metrics(request: Request) -> Response:
        return await receive(request, intake.metrics, metrics_taken)

    return router


def _failed(status: int, reason: str, kind: str, limits: Limits) -> Response:
    message = Status(code=_CODES.get(status, INVALID_ARGUMENT), message=reason)
    response = _encoded(message, kind, status)
    if status in _RETRY:
        response.headers["retry-after"] = str(limits.retry_after_seconds)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _encoded(message: Message, kind: str, status: int) -> Response:
    if kind == PROTOBUF:
        return Response(message.SerializeToString(), status, media_type=PROTOBUF)
    return Response(json_format.MessageToJson(message, indent=None), status, media_type=JSON)
