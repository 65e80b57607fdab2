"""Processors: where OpenTelemetry's spans and log records enter an export."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ragtrace.capture.export._export import Export

__all__ = ["LogProcessor", "TraceProcessor"]


class TraceProcessor(SpanProcessor):
    """Puts every sampled span into an export as it ends."""

    def __init__(self, export: Export[ReadableSpan]) -> None:
        self._export = export

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Put it in."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._export.put(span)

    def shutdown(self) -> None:
        """Send what can be sent, and leave the rest in the spool."""
        self._export.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether everything was sent in time."""
        return self._export.flush(timeout_millis / 1000)


class LogProcessor(LogRecordProcessor):
    """Puts every log record into an export."""

    def __init__(self, export: Export[ReadWriteLogRecord]) -> None:
        self._export = export

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Put it in."""
        self._export.put(log_record)

    def shutdown(self) -> None:
        """Send what can be sent, and leave the rest in the spool."""
        self._export.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether everything was sent in time."""
        return self._export.flush(timeout_millis / 1000)
