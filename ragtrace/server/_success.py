"""Success: what an exporter is told, whole or partial."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from ragtrace.server._intake import Rejected

__all__ = ["logs_taken", "metrics_taken", "traces_taken"]


def traces_taken(rejected: Rejected) -> ExportTraceServiceResponse:
    """Answer a trace export; ``partial_success`` is there only where a span was rejected."""
    if not rejected.count:
        return ExportTraceServiceResponse()
    part = ExportTracePartialSuccess(rejected_spans=rejected.count, error_message=rejected.reason)
    return ExportTraceServiceResponse(partial_success=part)


def logs_taken(rejected: Rejected) -> ExportLogsServiceResponse:
    """Answer a log export; ``partial_success`` is there only where a record was rejected."""
    if not rejected.count:
        return ExportLogsServiceResponse()
    part = ExportLogsPartialSuccess(
        rejected_log_records=rejected.count, error_message=rejected.reason
    )
    return ExportLogsServiceResponse(partial_success=part)


def metrics_taken(_: Rejected) -> ExportMetricsServiceResponse:
    """Answer a metrics export, of which nothing is kept."""
    return ExportMetricsServiceResponse()
