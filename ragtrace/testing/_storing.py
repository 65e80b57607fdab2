"""Storing: what an application traces, written to a store in its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from ragtrace.capture import init, shutdown
from ragtrace.store import Store
from ragtrace.testing._ids import CountingIds
from ragtrace.wire import decode_logs, decode_traces, encode_records, encode_spans

__all__ = ["storing"]

BATCH: Final = 500
"""Spans, or texts, of one insert: the engine takes as long for one row as for hundreds."""
PROTOBUF: Final = "application/x-protobuf"


@contextmanager
def storing(store: Store, policy: str | None = None, **settings: Any) -> Iterator[None]:
    """Start ragtrace, and write all that it says to ``store``; nothing is lost and nothing waits.

    Spans and texts go over the wire's own encoding, as they would to a server. They are all in
    the store when this ends. Ids count, so that a run that is repeated has the same ones.

    Args:
        store: Where; its texts are kept if it was opened with a key.
        policy: Policy file.
        **settings: As for ``ragtrace.init``.
    """
    spans, texts = _Spans(store), _Texts(store)
    tracer, logger = TracerProvider(id_generator=CountingIds()), LoggerProvider()
    tracer.add_span_processor(SimpleSpanProcessor(spans))
    logger.add_log_record_processor(SimpleLogRecordProcessor(texts))
    init(
        policy,
        tracer_provider=tracer,
        logger_provider=logger,
        content=store.keeps_text,
        **settings,
    )
    try:
        yield
    finally:
        shutdown()
        tracer.shutdown()
        logger.shutdown()


class _Batches:
    """What has ended, written so many at a time."""

    def __init__(self, write: Callable[[Sequence[Any]], None]) -> None:
        self._write = write
        self._waiting: list[Any] = []

    def take(self, ended: Sequence[Any]) -> None:
        """Keep them until there are enough."""
        self._waiting += ended
        if len(self._waiting) >= BATCH:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write(waiting)


class _Spans(SpanExporter):
    def __init__(self, store: Store) -> None:
        self._batches = _Batches(
            lambda spans: store.write(decode_traces(encode_spans(spans), PROTOBUF))
        )

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._batches.take(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._batches.write()


class _Texts(LogRecordExporter):
    def __init__(self, store: Store) -> None:
        self._batches = _Batches(
            lambda records: store.write([], decode_logs(encode_records(records), PROTOBUF)[0])
        )

    def export(self, batch: Sequence[Any]) -> LogRecordExportResult:
        self._batches.take(batch)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        self._batches.write()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True
