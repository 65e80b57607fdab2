"""Grpc: bodies go the way the standard exporter would send them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from ragtrace.capture.export._answer import Answer, partly

__all__ = ["GrpcTransport"]

_STATUS_KEY: Final = "grpc-status-details-bin"
_RETRY_KEY: Final = "google.rpc.retryinfo-bin"

REFUSED: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What is said of the body itself, as over HTTP; ``RESOURCE_EXHAUSTED`` too, where it does not say
when to come back: then the body is too large."""


class GrpcTransport:
    """Sends bodies by gRPC, over the channel of the exporter.

    Args:
        exporter: The class of the standard exporter, which reads ``OTEL_EXPORTER_OTLP_*``.
        response: The class of what is answered.
        method: Its full name.
    """

    def __init__(self, exporter: Any, response: Any, method: str) -> None:
        self._exporter, self._response, self._method = exporter, response, method
        self._open()

    def send(self, body: bytes, seconds: float) -> Answer:
        """Send ``body``; takes little more than ``seconds``."""
        timeout = min(self._made._timeout or seconds, seconds)
        try:
            return partly(self._export(body, timeout=timeout, metadata=self._made._headers))
        except grpc.RpcError as error:
            code = error.code()
            if code is grpc.StatusCode.UNAVAILABLE:
                # A channel waits ever longer before it looks for a back end that was away.
                self.close()
                self._open()
            after = _after(error)
            why = f"the back end answered {code.name}"
            if code in REFUSED or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after is None):
                return Answer("refused", why=why)
            return Answer("later", after, why=why)

    def close(self) -> None:
        """Close the channel."""
        self._made.shutdown()

    def _open(self) -> None:
        # What the exporter keeps to itself, as there is no other way to send bytes; a test holds
        # on to it.
        self._made = self._exporter()
        self._export = self._made._channel.unary_unary(
            self._method, response_deserializer=self._response.FromString
        )


def _after(error: Any) -> float | None:
    """Seconds after which the back end asks to come back, in either of the two known places."""
    said = dict(error.trailing_metadata() or ())
    with suppress(DecodeError):
        if _RETRY_KEY in said:
            return _seconds(RetryInfo.FromString(said[_RETRY_KEY]))
        for detail in Status.FromString(said.get(_STATUS_KEY, b"")).details:
            info = RetryInfo()
            if detail.Unpack(info):
                return _seconds(info)
    return None


def _seconds(info: RetryInfo) -> float:
    return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9))
