"""Bodies: calls as OTLP requests, and one request made over into many."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ragtrace.testing.ingest._workload import Call
from ragtrace.wire import AttributeValue, names

__all__ = ["Stamp", "span_ids", "trace_body"]

_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


def span_ids(call: Call) -> tuple[bytes, bytes]:
    """The ids of its trace and span: each call is a trace by itself."""
    number = call.number + 1
    return (number << 64 | 0x5EED).to_bytes(16, "big"), (number << 16 | 1).to_bytes(8, "big")


def trace_body(calls: Iterable[Call], trace_id: bytes | None = None) -> bytes:
    """One export request with a span for each call.

    Args:
        calls: Anything that has the attributes of a call.
        trace_id: Of all of them; without one, each is a trace by itself.
    """
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in _RESOURCE.items():
        _put(resource_spans.resource.attributes.add(key=key).value, value)
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = names.SCOPE
    for call in calls:
        own_trace, span_id = span_ids(call)
        span = scope_spans.spans.add(
            trace_id=trace_id or own_trace,
            span_id=span_id,
            parent_span_id=b"\x01" * 8,
            name="chat gpt-5-mini",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=call.start_ns,
            end_time_unix_nano=call.end_ns,
        )
        for name, said in call.attributes.items():
            _put(span.attributes.add(key=name).value, said)
    return bytes(request.SerializeToString())


_RESOURCE: Final = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.40.0",
    "service.name": "bank-assistant",
    "service.instance.id": "0c7d5d0e-5b1c-4f3e-9a53-0a2f0f0a7d11",
}


def _put(value: object, said: AttributeValue) -> None:
    kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    setattr(value, kind[type(said)], said)


class Stamp:
    """A request whose spans are given new ids, digests and times, so that none comes twice.

    Making a request costs a generator more than taking it in costs a server; this costs next to
    nothing. All that tells one call from another is replaced: trace and span id, request id,
    session, the digests of prompt and completion, which therefore name no text, and when it began
    and ended, which goes on with the clock.

    Args:
        body: A trace export request.
        ids: For each span, its trace and span id as they stand in ``body``.
        words: For each span, hex digits in it that are its own.
        times: For each span, its start and end, nanoseconds since the epoch.
    """

    def __init__(
        self,
        body: bytes,
        ids: Sequence[tuple[bytes, bytes]],
        words: Sequence[Sequence[str]],
        times: Sequence[tuple[int, int]],
    ) -> None:
        self._made = time.monotonic_ns()
        self._body = np.frombuffer(body, np.uint8)
        self.spans: Final = len(ids)
        starts = [body.index(trace) for trace, _ in ids]
        ends = [*starts[1:], len(body)]
        self._ids = _places(body, starts, ends, ids)
        self._hex = _places(
            body, starts, ends, [[word.encode() for word in of_span] for of_span in words]
        )
        self._told = np.array(times, "<u8").ravel()
        fixed = [[one.to_bytes(8, "little") for one in of_span] for of_span in times]
        self._times = _places(body, starts, ends, fixed)

    @classmethod
    def of(cls, calls: Sequence[Call]) -> Stamp:
        """One request with these calls."""
        unique = (names.REQUEST_ID, names.SESSION, names.PROMPT_DIGEST, names.COMPLETION_DIGEST)
        words = [[str(call.attributes[name]) for name in unique] for call in calls]
        times = [(call.start_ns, call.end_ns) for call in calls]
        return cls(trace_body(calls), [span_ids(call) for call in calls], words, times)

    def body(self) -> bytes:
        """The request once more, with spans that nobody has seen; safe in several threads."""
        raw = os.urandom(len(self._ids) + (len(self._hex) + 1) // 2)
        random = np.frombuffer(raw, np.uint8)
        body = self._body.copy()
        body[self._ids] = random[: len(self._ids)] | 1
        rest = random[len(self._ids) :]
        digits = np.empty(2 * len(rest), np.uint8)
        digits[0::2], digits[1::2] = _HEX[rest >> 4], _HEX[rest & 15]
        body[self._hex] = digits[: len(self._hex)]
        now = self._told + np.uint64(time.monotonic_ns() - self._made)
        body[self._times] = now.view(np.uint8)
        return body.tobytes()


def _places(
    body: bytes, starts: Sequence[int], ends: Sequence[int], words: Sequence[Sequence[bytes]]
) -> NDArray[np.int64]:
    """Where the words of each span stand between its start and its end, each as often as it is."""
    found = [np.empty(0, np.int64)]
    for start, end, of_span in zip(starts, ends, words, strict=True):
        for word in of_span:
            at = body.find(word, start, end)
            while at >= 0:
                found.append(np.arange(at, at + len(word)))
                at = body.find(word, at + len(word), end)
    return np.concatenate(found)
