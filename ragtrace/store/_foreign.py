"""Foreign: what the store is asked and told about spans of other tracers.

What is derived from the steps of a trace is written anew when more of them are known; a flow
that no longer follows from them is withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ragtrace.store._access import OWNER
from ragtrace.store._queries import SPAN_COLUMNS
from ragtrace.store._rows import FlowRow, SpanRow

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = [
    "adopted_traces",
    "filed",
    "forget_raw",
    "own_steps",
    "raw_traces",
    "withdraw",
    "withdraw_texts",
]

LONGEST_STEP_NS: Final = 600 * 10**9
"""How long before a span a step of ours may have begun that goes on beside it: the longest a client
of a model waits by default."""
MOST_STEPS: Final = 1_000
"""Own steps beside one trace that are looked at, the newest."""

_ADOPTED: Final = """
SELECT TraceId FROM otel_traces WHERE {may_otel_traces}
AND Timestamp >= fromUnixTimestamp64Nano({since:Int64})
AND mapContains(SpanAttributes, 'ragtrace.tracer')
GROUP BY TraceId ORDER BY max(Timestamp) DESC, TraceId LIMIT {limit:UInt32}
"""

_RAW: Final = """
SELECT TraceId FROM otel_traces WHERE {may_otel_traces}
AND Timestamp >= fromUnixTimestamp64Nano({since:Int64})
AND NOT mapContains(SpanAttributes, 'ragtrace.observed')
AND ScopeName != 'ragtrace'
AND arrayExists(
    key -> match(key, '^(openinference|traceloop|gen_ai|langfuse|mlflow|llm)[.]'),
    mapKeys(SpanAttributes)
)
GROUP BY TraceId ORDER BY min(Timestamp), TraceId
"""
"""Superseded rows are found too until they are forgotten: telling them apart costs a merge."""

_OWN: Final = f"""
SELECT {SPAN_COLUMNS} FROM otel_traces WHERE {{may_otel_traces}}
AND has({{services:Array(String)}}, ServiceName)
AND Timestamp >= fromUnixTimestamp64Nano({{earliest:Int64}})
AND Timestamp <= fromUnixTimestamp64Nano({{last:Int64}})
AND toUnixTimestamp64Nano(Timestamp) + toInt64(Duration) >= {{first:Int64}}
AND ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.stage')
ORDER BY Timestamp DESC, SpanId
LIMIT {{limit:UInt32}}
"""

_FILED: Final = """
SELECT DISTINCT Digest, Level FROM contents WHERE {may_contents}
AND Digest IN {digests:Array(String)}
"""

_WITHDRAW: Final = """
DELETE FROM flows WHERE TraceId = {trace:String} AND SpanId = {span:String}
AND Document = {document:String} AND Ordinal = {place:UInt32}
"""

_WITHDRAW_REACHED: Final = """
DELETE FROM reached WHERE Document = {document:String}
AND Span = sipHash64({span:String}) AND Ordinal = {place:UInt32}
"""

_WITHDRAW_TEXTS: Final = """
DELETE FROM contents
WHERE has({digests:Array(String)}, Digest) AND Level = {level:String} AND Kind != 'chunk'
"""

_FORGET_RAW: Final = """
DELETE FROM otel_traces
WHERE Version = 0 AND has({traces:Array(String)}, TraceId) AND has({spans:Array(String)}, SpanId)
"""


def adopted_traces(store: Store, since_ns: int, limit: int) -> list[str]:
    """Give the newest traces that hold adopted spans, newest first."""
    rows = store._rows("foreign", _ADOPTED, {"since": since_ns, "limit": limit}, OWNER)
    return [row[0] for row in rows]


def raw_traces(store: Store, since_ns: int) -> list[str]:
    """Give the traces with spans of other tracers as those wrote them, oldest first."""
    return [row[0] for row in store._rows("foreign", _RAW, {"since": since_ns}, OWNER)]


def own_steps(store: Store, services: Iterable[str], first_ns: int, last_ns: int) -> list[SpanRow]:
    """Give what ragtrace traced itself in these services, at any time between two, newest first."""
    asked = {
        "services": sorted(services),
        "earliest": first_ns - LONGEST_STEP_NS,
        "first": first_ns,
        "last": last_ns,
        "limit": MOST_STEPS,
    }
    return [SpanRow(*row) for row in store._rows("foreign", _OWN, asked, OWNER)]


def filed(store: Store, digests: Iterable[str]) -> set[tuple[str, str]]:
    """Give those of ``digests`` that are known, each with every level it is filed under."""
    rows = store._rows("foreign", _FILED, {"digests": sorted(set(digests))}, OWNER)
    return {(row[0], row[1]) for row in rows}


def withdraw(store: Store, flows: Iterable[FlowRow]) -> None:
    """Take back flows; each by its span, document and place.

    Raises:
        StoreError: Some of them may still be there; withdrawing them again is safe.
    """
    with store._engine.writing("store: withdraw") as client:
        for flow in flows:
            parameters = {
                "trace": flow.trace_id,
                "span": flow.span_id,
                "document": flow.document,
                "place": flow.ordinal,
            }
            client.command(_WITHDRAW, parameters=parameters)
            client.command(_WITHDRAW_REACHED, parameters=parameters)


def withdraw_texts(store: Store, digests: Sequence[str], level: str) -> None:
    """Take back prompts and completions that were filed for readers of ``level``.

    Raises:
        StoreError: Some of them may still be there.
    """
    with store._engine.writing("store: withdraw") as client:
        client.command(_WITHDRAW_TEXTS, parameters={"digests": list(digests), "level": level})


def forget_raw(store: Store, traces: Sequence[str], spans: Sequence[str]) -> None:
    """Remove what other tracers wrote of spans that are stored adopted by now.

    Raises:
        StoreError: Some of it may still be there.
    """
    with store._engine.writing("store: forget") as client:
        client.command(_FORGET_RAW, parameters={"traces": list(traces), "spans": list(spans)})
