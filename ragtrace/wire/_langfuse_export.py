"""Langfuse's exports: observations of its API, its tables and its blobs, as Langfuse's spans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ragtrace.errors import WireError
from ragtrace.wire._exported import Exported, as_attribute
from ragtrace.wire._spans import SpanRecord

__all__ = ["is_langfuse", "is_langfuse_trace", "langfuse_span", "langfuse_spans"]

TYPES: Final = frozenset(
    {
        "AGENT", "CHAIN", "EMBEDDING", "EVALUATOR", "EVENT", "GENERATION", "GUARDRAIL",
        "RETRIEVER", "SPAN", "TOOL",
    }
)  # fmt: skip
_SCOPE: Final = "langfuse.export"


def is_langfuse(row: Mapping[str, Any]) -> bool:
    """Whether a row is an observation, in the names of the API or of a table."""
    kind = row.get("type")
    named = "traceId" in row or "trace_id" in row
    return named and isinstance(kind, str) and kind.upper() in TYPES


def is_langfuse_trace(row: Mapping[str, Any]) -> bool:
    """Whether it is a trace with its observations, as the API gives one and as one downloads it."""
    held = row.get("observations")
    return isinstance(held, list) and all(isinstance(one, dict) for one in held)


def langfuse_spans(row: Mapping[str, Any]) -> Iterator[SpanRecord]:
    """Read the observations of a trace; session, user and metadata are the trace's.

    Raises:
        WireError: Of one of them, ids or times are missing or not what they should be.
    """
    inner = row.get("trace")
    trace = inner if isinstance(inner, dict) else row
    for one in row["observations"]:
        yield langfuse_span({"traceId": trace.get("id"), **one}, trace)


def langfuse_span(row: Mapping[str, Any], trace: Mapping[str, Any] | None = None) -> SpanRecord:
    """Read one observation.

    Args:
        row: The observation.
        trace: The trace it is of, where that was exported too.

    Raises:
        WireError: Ids or times are missing or not what they should be.
    """
    said, whole = Exported(row, "Langfuse observation"), Exported(trace or {}, "Langfuse trace")
    start = said.moment("startTime", "start_time")
    if start is None:
        raise WireError("Langfuse observation: expected startTime")
    return SpanRecord(
        trace_id=said.required(32, "traceId", "trace_id"),
        span_id=said.required(16, "id"),
        parent_span_id=said.identifier(16, "parentObservationId", "parent_observation_id"),
        name=said.text("name"),
        kind="Internal",
        service=said.text("environment") or whole.text("environment"),
        scope=_SCOPE,
        start_ns=start,
        end_ns=max(said.moment("endTime", "end_time") or start, start),
        status="Error" if said.get("level") == "ERROR" else "Unset",
        status_message=said.text("statusMessage", "status_message"),
        attributes=_attributes(said, whole),
    )


def _attributes(said: Exported, whole: Exported) -> dict[str, str]:
    """What an observation says, and what the trace it is of says of it."""
    attributes = {"langfuse.observation.type": said.text("type").lower()}
    for name, fields in (
        ("langfuse.observation.input", ("input",)),
        ("langfuse.observation.output", ("output",)),
        ("langfuse.observation.model.name", ("model", "provided_model_name", "providedModelName")),
        ("langfuse.observation.usage_details", ("usageDetails", "usage_details")),
    ):
        value = said.get(*fields)
        if value is not None:
            attributes[name] = as_attribute(value)
    for prefix, metadata in (
        ("langfuse.trace.metadata", whole.get("metadata")),
        ("langfuse.observation.metadata", said.get("metadata")),
    ):
        attributes |= {f"{prefix}.{key}": as_attribute(one) for key, one in _object(metadata)}
    for name, of_trace in (
        ("session.id", ("sessionId", "session_id")),
        ("user.id", ("userId", "user_id")),
    ):
        value = said.text(*of_trace) or whole.text(*of_trace)
        if value:
            attributes[name] = value
    return attributes


def _object(metadata: Any) -> Iterator[tuple[str, Any]]:
    """The entries of an object, also of one that a table has written as a text."""
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            return
    if isinstance(metadata, dict):
        yield from ((str(key), value) for key, value in metadata.items())
