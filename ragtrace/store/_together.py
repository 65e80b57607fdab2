"""Together: several traces read at once, for what is made of many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ragtrace.store._access import Access
from ragtrace.store._queries import FLOW_COLUMNS, SPAN_COLUMNS
from ragtrace.store._questions import Questions
from ragtrace.store._questions import _flows as flows_from
from ragtrace.store._rows import FlowRow
from ragtrace.store._traces import SpanRow, Trace

__all__ = ["traces_of"]

AT_ONCE: Final = 200
"""Traces of one statement: some 10 MB of spans."""

_SPANS: Final = f"""
SELECT {SPAN_COLUMNS} FROM otel_traces
WHERE {{may_otel_traces}} AND TraceId IN {{traces:Array(String)}}
ORDER BY Version DESC, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId
"""
_FLOWS: Final = f"""
SELECT {FLOW_COLUMNS} FROM flows
WHERE {{may_flows}} AND TraceId IN {{traces:Array(String)}}
  AND Timestamp >= fromUnixTimestamp64Nano({{first:Int64}})
  AND Timestamp <= fromUnixTimestamp64Nano({{last:Int64}})
ORDER BY Timestamp, SpanId, Ordinal, Version DESC
LIMIT 1 BY Timestamp, TraceId, SpanId, Ordinal
"""


def traces_of(store: Questions, ids: Sequence[str], access: Access) -> Iterator[Trace]:
    """Give traces by their whole ids, in the order of these; one that is not there is left out.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), AT_ONCE):
        yield from _some(store, wanted[start : start + AT_ONCE], access)


def _some(store: Questions, ids: Sequence[str], access: Access) -> Iterator[Trace]:
    asked: dict[str, Any] = {"traces": list(ids)}
    spans: dict[str, list[SpanRow]] = defaultdict(list)
    for row in store._rows("traces", _SPANS, asked, access):
        span = SpanRow(*row)
        spans[span.trace_id].append(span)
    if not spans:
        return
    starts = [span.start_ns for found in spans.values() for span in found]
    asked |= {"first": min(starts), "last": max(starts)}
    flows: dict[str, list[FlowRow]] = defaultdict(list)
    for flow in flows_from(store._rows("traces", _FLOWS, asked, access)):
        flows[flow.trace_id].append(flow)
    for name in ids:
        if name in spans:
            ordered = sorted(spans[name], key=lambda one: (one.start_ns, one.span_id))
            told = {(span.span_id, span.start_ns) for span in ordered}  # by the rows that count
            kept = (flow for flow in flows[name] if (flow.span_id, flow.time_ns) in told)
            yield Trace(name, tuple(ordered), tuple(kept))
