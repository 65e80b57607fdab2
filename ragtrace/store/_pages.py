"""Pages: rows in an order that new rows do not disturb, from behind the last one that was given.

A page begins behind a row and never at a number, so that a walk through all of them gives every
row once, whatever is stored meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ragtrace.store._queries import FLOW_COLUMNS, columns_of
from ragtrace.store._rows import DecisionRow

__all__ = [
    "AT_MOMENTS",
    "BEFORE",
    "DECISIONS",
    "FLOWS",
    "MOMENTS",
    "OF_TRACES",
    "TRACES",
    "Place",
]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A row's place in the order: by time, then id, then ordinal.

    Attributes:
        time_ns: Nanoseconds since the epoch.
        id: Of the span or the trace.
        ordinal: Of the flow within its span; 0 for what has none.
    """

    time_ns: int
    id: str
    ordinal: int = 0

    def as_params(self) -> dict[str, str | int]:
        """Give the parameters of ``BEFORE``."""
        return {"place_ns": self.time_ns, "place_id": self.id, "place_ordinal": self.ordinal}


_AT: Final = "fromUnixTimestamp64Nano({place_ns:Int64})"
_BEHIND: Final = "({key}) > ({place_id:String}, {place_ordinal:UInt32})"
BEFORE: Final = f"Timestamp <= {_AT} AND (Timestamp < {_AT} OR {_BEHIND})"
"""Behind a place, newest first; ``{key}`` is the id and ordinal of the table."""
MOMENTS: Final = """
SELECT groupArray(toString(Timestamp)), toUnixTimestamp64Nano(min(Timestamp)) FROM (
    SELECT DISTINCT Timestamp FROM {table} WHERE {may_{table}} AND {where}
    ORDER BY Timestamp DESC LIMIT {limit:UInt32}
)
"""
"""The newest n moments hold the newest n rows, and sorting one column finds them. Moments of rows
that newer versions replaced are among them, so that there may be fewer rows."""

AT_MOMENTS: Final = "Timestamp IN {moments:Array(DateTime64(9, 'UTC'))}"
"""Reads what lies beside these moments, where a period would read all that lies between."""

FLOWS: Final = f"""
SELECT {FLOW_COLUMNS} FROM flows FINAL WHERE {{may_flows}} AND {{where}}
AND {AT_MOMENTS}
ORDER BY Timestamp DESC, SpanId, Ordinal
LIMIT {{limit:UInt32}}
"""

DECISIONS: Final = f"""
SELECT {columns_of(DecisionRow)} FROM decisions FINAL WHERE {{may_decisions}} AND {{where}}
AND {AT_MOMENTS}
ORDER BY Timestamp DESC, SpanId
LIMIT {{limit:UInt32}}
"""

TRACES: Final = """
WITH toUnixTimestamp64Nano(min(Timestamp)) AS start
SELECT
    TraceId,
    start,
    max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)),
    argMin(ServiceName, Timestamp),
    uniqExact(SpanId)
FROM otel_traces WHERE {may_otel_traces} AND {where}
GROUP BY TraceId
HAVING {behind}
ORDER BY start DESC, TraceId
LIMIT {limit:UInt32}
"""

OF_TRACES: Final = """
SELECT
    TraceId,
    groupUniqArray(Audience),
    groupUniqArrayIf(Action, Mode != 'shadow'),
    {levels},
    count()
FROM {table} FINAL WHERE {may_{table}} AND {where}
AND TraceId IN {traces:Array(String)}
AND Timestamp >= fromUnixTimestamp64Nano({first:Int64})
AND Timestamp <= fromUnixTimestamp64Nano({last:Int64})
GROUP BY TraceId
"""
"""What is told of traces in their flows, or in their decisions, which have no levels."""
