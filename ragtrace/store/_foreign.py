"""Foreign: what the store is asked and told about spans of other tracers.

What is derived from the steps of a trace is written anew when more of them are known; a flow
that no longer follows from them is withdrawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ragtrace.store._access import OWNER
from ragtrace.store._queries import SPAN_COLUMNS
from ragtrace.store._reader import SpanLike
from ragtrace.store._rows import FlowRow
from ragtrace.store._traces import SpanRow

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = [
    "adopted_traces",
    "events_of",
    "filed",
    "forget_raw",
    "own_steps",
    "raw_traces",
    "shared",
    "stored_otherwise",
    "told_otherwise",
    "withdraw",
    "withdraw_texts",
]

LONGEST_STEP_NS: Final = 600 * 10**9
"""How long before a span a step of ours may have begun that goes on beside it: the longest a client
of a model waits by default."""
MOST_WITHDRAWN: Final = 1_000
"""Flows of one statement, each of which is looked for in every row of their traces."""
MOST_TRACES: Final = 500
"""Traces asked for in one statement, whose parameters a server takes in the address."""
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
    key -> match(key, '^(openinference|traceloop|gen_ai|langfuse|mlflow|llm|ai)[.]'),
    arrayConcat(mapKeys(SpanAttributes), arrayMap(name -> toString(name), Events.Name))
)
GROUP BY TraceId ORDER BY min(Timestamp), TraceId
"""
"""Superseded rows are found too until they are forgotten: telling them apart costs a merge."""

_EVENTS: Final = """
SELECT SpanId, Events.Name, arrayMap(at -> toUnixTimestamp64Nano(at), Events.Timestamp),
    Events.Attributes
FROM otel_traces WHERE {may_otel_traces} AND TraceId = {trace:String} AND notEmpty(Events.Name)
ORDER BY Timestamp, SpanId
LIMIT 1 BY SpanId
"""

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

_STORED: Final = """
SELECT DISTINCT TraceId, SpanId, ServiceName, SpanName, toUnixTimestamp64Nano(Timestamp)
FROM otel_traces WHERE {may_otel_traces} AND TraceId IN {traces:Array(String)}
"""

_WITHDRAW: Final = """
DELETE FROM flows IN PARTITION ID '{partition}' WHERE {period}
AND TraceId IN {traces:Array(String)}
AND arrayExists(
    (trace, span, place, version) ->
        TraceId = trace AND SpanId = span AND Ordinal = place AND Version <= version,
    {traces:Array(String)}, {spans:Array(String)}, {places:Array(UInt32)},
    {versions:Array(UInt64)}
)
"""

_WITHDRAW_REACHED: Final = """
DELETE FROM reached IN PARTITION ID '{partition}' WHERE {period}
AND Document IN {documents:Array(String)}
AND arrayExists(
    (trace, span, document, place, version) ->
        Document = document AND Span = sipHash64(trace, span) AND Ordinal = place
        AND Version <= version,
    {traces:Array(String)}, {spans:Array(String)}, {documents:Array(String)},
    {places:Array(UInt32)}, {versions:Array(UInt64)}
)
"""

_PERIOD: Final = """Timestamp >= fromUnixTimestamp64Nano({first:Int64})
AND Timestamp <= fromUnixTimestamp64Nano({last:Int64})"""

_SHARED: Final = """
SELECT DISTINCT digest, level FROM (
    SELECT
        arrayJoin([PromptDigest, CompletionDigest]) AS digest,
        argMax(PromptLevel, Version) AS level
    FROM {table} WHERE {may_{table}}
    AND (PromptDigest IN {digests:Array(String)} OR CompletionDigest IN {digests:Array(String)})
    AND TraceId != {trace:String}
    GROUP BY TraceId, SpanId, digest
) WHERE digest IN {digests:Array(String)}
"""
"""The newest version of a step says at which level; others are there until the engine merges."""

_WITHDRAW_TEXTS: Final = """
DELETE FROM contents
WHERE Digest IN {digests:Array(String)} AND Level = {level:String} AND Kind != 'chunk'
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


def events_of(store: Store, trace_id: str) -> dict[str, list[tuple[str, int, dict[str, str]]]]:
    """Give the events that a Collector stored with the spans of a trace, by span id.

    Returns:
        Of each its name, its time in nanoseconds since the epoch, and its attributes.
    """
    rows = store._rows("foreign", _EVENTS, {"trace": trace_id}, OWNER)
    return {span: list(zip(*columns, strict=True)) for span, *columns in rows}


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


def stored_otherwise(store: Store, spans: Sequence[SpanLike]) -> set[tuple[str, str]]:
    """Give what ``told_otherwise`` does, of all that is stored."""
    traces = sorted({span.trace_id for span in spans})
    there: list[tuple[Any, ...]] = []
    for start in range(0, len(traces), MOST_TRACES):
        asked = {"traces": traces[start : start + MOST_TRACES]}
        there += store._rows("foreign", _STORED, asked, OWNER)
    return told_otherwise(spans, there)


def told_otherwise(
    spans: Iterable[SpanLike], stored: Iterable[tuple[Any, ...]]
) -> set[tuple[str, str]]:
    """Give trace and span ids of those of ``spans`` that are stored, but not as the same row.

    Of another service, name or time, so that both would be counted; the same row is written again.

    Args:
        spans: What is to be written.
        stored: Trace id, span id, service, name and start of what is there.
    """
    there: dict[tuple[str, str], set[tuple[Any, ...]]] = defaultdict(set)
    for trace, span, *row in stored:
        there[trace, span].add(tuple(row))
    names = {(span.trace_id, span.span_id): _row(span) for span in spans}
    return {name for name, row in names.items() if name in there and row not in there[name]}


def _row(span: SpanLike) -> tuple[str, str, int]:
    return span.service, span.name, span.start_ns


def filed(store: Store, digests: Iterable[str]) -> set[tuple[str, str]]:
    """Give those of ``digests`` that are known, each with every level it is filed under."""
    rows = store._rows("foreign", _FILED, {"digests": sorted(set(digests))}, OWNER)
    return {(row[0], row[1]) for row in rows}


def withdraw(store: Store, flows: Iterable[tuple[FlowRow, int]]) -> None:
    """Take back flows, each with the version up to which it no longer follows.

    What is written meanwhile, of a higher version, stays. Beside other writes, for it takes long.

    Raises:
        StoreError: Some of them may still be there; withdrawing them again is safe.
    """
    with store._engine.aside("store: withdraw") as client:
        for query, unit in ((_WITHDRAW, "%Y%m"), (_WITHDRAW_REACHED, "%Y%m%d")):
            for partition, some in _by_partition(flows, unit):
                text = query.replace("{partition}", partition).replace("{period}", _PERIOD)
                client.command(text, parameters=_named(some))


def _by_partition(
    flows: Iterable[tuple[FlowRow, int]], unit: str
) -> Iterator[tuple[str, list[tuple[FlowRow, int]]]]:
    """The flows by the month or day that their partition is of, at most so many at once."""
    found: dict[str, list[tuple[FlowRow, int]]] = {}
    for flow, version in flows:
        day = datetime.fromtimestamp(flow.time_ns // 10**9, UTC)
        found.setdefault(day.strftime(unit), []).append((flow, version))
    for partition, some in sorted(found.items()):
        for start in range(0, len(some), MOST_WITHDRAWN):
            yield partition, some[start : start + MOST_WITHDRAWN]


def _named(flows: Sequence[tuple[FlowRow, int]]) -> dict[str, Any]:
    return {
        "first": min(flow.time_ns for flow, _ in flows),
        "last": max(flow.time_ns for flow, _ in flows),
        "traces": [flow.trace_id for flow, _ in flows],
        "spans": [flow.span_id for flow, _ in flows],
        "documents": [flow.document for flow, _ in flows],
        "places": [flow.ordinal for flow, _ in flows],
        "versions": [version for _, version in flows],
    }


def shared(store: Store, digests: Iterable[str], trace_id: str) -> set[tuple[str, str]]:
    """Give those of ``digests`` that other traces' prompts and answers have, with their levels.

    A step without flows that nobody decided about is not among what is looked at.
    """
    asked = {"digests": sorted(set(digests)), "trace": trace_id}
    return {
        (row[0], row[1])
        for table in ("flows", "decisions")
        for row in store._rows("foreign", _SHARED.replace("{table}", table), asked, OWNER)
    }


def withdraw_texts(store: Store, digests: Sequence[str], level: str) -> None:
    """Take back prompts and completions that were filed for readers of ``level``.

    Raises:
        StoreError: Some of them may still be there.
    """
    with store._engine.aside("store: withdraw") as client:
        client.command(_WITHDRAW_TEXTS, parameters={"digests": list(digests), "level": level})


def forget_raw(store: Store, traces: Sequence[str], spans: Sequence[str]) -> None:
    """Remove what other tracers wrote of spans that are stored adopted by now.

    Raises:
        StoreError: Some of it may still be there.
    """
    with store._engine.writing("store: forget") as client:
        client.command(_FORGET_RAW, parameters={"traces": list(traces), "spans": list(spans)})
