"""Traces: one as a row of a list, and one whole, with its spans and flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ragtrace.store._rows import FlowRow, Row

__all__ = ["SpanRow", "Trace", "TraceRow"]


@dataclass(frozen=True, slots=True)
class TraceRow(Row):
    """One trace in a list of traces.

    Attributes:
        start_ns: Of its first span in the period that was asked for.
        end_ns: When the last of them ended.
        service: Of the first span.
        action: The strictest that was decided and not only recorded; empty where nobody decided.
        audiences: Names of the audiences, in order.
        levels: Of its flows, in order of their names.
        flows: How many.
    """

    trace_id: str
    start_ns: int
    end_ns: int
    service: str
    spans: int
    action: str
    audiences: tuple[str, ...]
    levels: tuple[str, ...]
    flows: int


@dataclass(frozen=True, slots=True)
class SpanRow(Row):
    """One span as it was stored; times in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str
    scope: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: dict[str, str] = field(default_factory=dict)
    resource: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one trace by start, and their flows by span and ordinal."""

    trace_id: str
    spans: tuple[SpanRow, ...]
    flows: tuple[FlowRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the trace as one tree."""
        return {
            "trace_id": self.trace_id,
            "spans": [span.as_json() for span in self.spans],
            "flows": [flow.as_json() for flow in self.flows],
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Trace:
        """Read what ``as_json`` gave."""
        return cls(
            trace_id=tree["trace_id"],
            spans=tuple(map(SpanRow.from_json, tree["spans"])),
            flows=tuple(map(FlowRow.from_json, tree["flows"])),
        )
