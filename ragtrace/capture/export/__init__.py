"""Durable export: off the caller's thread, and on disk until the back end has it."""

from ragtrace.capture.export._export import CLOSE_SECONDS, FLUSH_SECONDS
from ragtrace.capture.export._losses import lost_since
from ragtrace.capture.export._signals import (
    SPOOL_OFF,
    is_otlp,
    log_processor,
    probe,
    trace_processor,
)

__all__ = [
    "CLOSE_SECONDS",
    "FLUSH_SECONDS",
    "SPOOL_OFF",
    "is_otlp",
    "log_processor",
    "lost_since",
    "probe",
    "trace_processor",
]
