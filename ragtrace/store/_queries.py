"""Queries: every line of SQL that reads or writes rows; values are parameters, always.

Rows may be there twice until the engine merges them, because a client repeats a batch it is
not sure of. A list of rows is therefore read with ``LIMIT 1 BY`` its key, which costs little,
and an aggregate over flows with ``FINAL``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import add
from typing import Any, Final

from ragtrace.store._reached import Matched
from ragtrace.store._rows import FlowRow
from ragtrace.store._traces import SpanRow

__all__ = [
    "BROKEN_PARTS",
    "DAYS",
    "EDGES",
    "FLOW_COLUMNS",
    "HOURS",
    "KINDS",
    "MATCHES",
    "ONLY_IN_FLOWS",
    "ORPHANS",
    "SAID",
    "SAID_CONDITION",
    "SAID_KINDS",
    "SAID_WHERE",
    "SPANS_REPLACED",
    "STATS",
    "TRACE_FLOWS",
    "TRACE_IDS",
    "TRACE_SPANS",
    "Counts",
    "column_of",
    "columns_of",
    "counting",
    "matching",
]

_COLUMNS: Final = {
    "time_ns": "toUnixTimestamp64Nano(Timestamp)",  # Python's datetime has no nanoseconds
    "service": "ServiceName",
    "user": "User",
    "group": "Alternatives",
    "start_ns": "toUnixTimestamp64Nano(Timestamp)",
    "end_ns": "toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)",
    "sealed_ns": "toUnixTimestamp64Nano(Sealed)",
    "name": "SpanName",
    "kind": "SpanKind",
    "scope": "ScopeName",
    "status": "StatusCode",
    # What may hold text: the scope says how much of it is shown.
    "status_message": "{status_message}",
    "attributes": "{attributes}",
    "resource": "{resource}",
}
"""Columns that are not the field's name in capitals."""


def column_of(name: str) -> str:
    """The column that holds a record's field."""
    return _COLUMNS.get(name) or name.title().replace("_", "")


def columns_of(record: type) -> str:
    """The columns that hold the fields of a record, in their order."""
    return ", ".join(column_of(name.name) for name in fields(record))


FLOW_COLUMNS: Final = columns_of(FlowRow)
SPAN_COLUMNS: Final = columns_of(SpanRow)

_NARROW: Final = {"table": "reached", "edge": "Edge", "prompt": "Prompt"}
_WIDE: Final = {
    "table": "flows",
    "edge": "toJSONString([Source, Level, Audience, Stage, Action, Mode, "
    "if(Stage = 'prompt' AND Verdict = 'certain' AND CompletionDigest != '' AND NOT Blocked "
    "AND (Mode = 'shadow' OR Action NOT IN ('context_only', 'redact', 'drop', 'block')), "
    "Clearance, '')])",
    "prompt": "if(Stage != 'prompt', 0, "
    "sipHash64(if(PromptDigest = '', SpanId, PromptDigest), toDate(Timestamp)))",
}
ONLY_IN_FLOWS: Final = frozenset({"session", "user", "rule"})
"""Conditions that the narrow table has no columns for."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A statement whose rows end in counts.

    Attributes:
        query: With a place for its condition; its table from ``counting``.
        together: How each count of one day comes together with that of another.
    """

    query: str
    together: tuple[Callable[[Any, Any], Any], ...]


def counting(query: str, asked: Iterable[str]) -> str:
    """``query`` over the narrow table, or over the flows where a condition needs them."""
    names = _NARROW if ONLY_IN_FLOWS.isdisjoint(asked) else _WIDE
    for name, text in names.items():
        query = query.replace(f"{{{name}}}", text)
    return query


_EDGES: Final = """
SELECT
    edge[1], edge[2], edge[3], edge[4], edge[5], edge[6],
    sum(flows), arrayUniq(groupArrayArray(prompts)), min(first), max(last),
    sumMapIf(map(edge[7], flows), edge[7] != '')
FROM (
    SELECT
        JSONExtract({edge}, 'Array(String)') AS edge,
        count() AS flows,
        groupArrayIf({prompt}, {prompt} != 0) AS prompts,
        toUnixTimestamp64Nano(min(Timestamp)) AS first,
        toUnixTimestamp64Nano(max(Timestamp)) AS last
    FROM {table} FINAL WHERE {may_{table}} AND {where}
    GROUP BY {edge}
)
GROUP BY edge[1], edge[2], edge[3], edge[4], edge[5], edge[6]
ORDER BY edge[1], edge[2], edge[3], edge[4], edge[5], edge[6]
"""


def _summed(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}


EDGES: Final = Counts(_EDGES, (add, add, min, max, _summed))
"""Grouped by one column that holds seven: that takes a fifth of the time of six. Prompts are told
apart when all of an edge are together, in a set that fits a cache: ``uniqExact``, with a thousand
sets at once, takes half as long again. A prompt is another one on another day, so that what was
counted of days can be added."""

_HOURS: Final = """
SELECT
    toUnixTimestamp(toStartOfHour(min(Timestamp))) * 1000000000 AS hour,
    any(Level) AS level,
    count()
FROM {table} FINAL WHERE {may_{table}} AND {where}
GROUP BY bitXor(sipHash64(Level), toUnixTimestamp(toStartOfHour(Timestamp)))
ORDER BY hour, level
"""
HOURS: Final = Counts(_HOURS, (add,))
"""Grouped by one number that stands for hour and level: a fifth quicker than by the two."""

DAYS: Final = """
SELECT
    partition_id, toUnixTimestamp(toDateTime(partition, 'UTC')) * 1000000000, count(), any(name)
FROM system.parts
WHERE active AND database = currentDatabase() AND table = 'reached'
GROUP BY partition_id, partition
"""
"""The beginning and the parts of each day; nothing of what is in them."""

_MATCHES: Final[dict[Matched, str]] = {
    "document": "Document IN {what:Array(String)}",
    "chunk": "ChunkId IN {what:Array(String)}",
    "digest": "Digest IN {what:Array(String)}",
    "uri": "Uri IN {what:Array(String)}",
    "source": "Source IN {what:Array(String)}",
}
KINDS: Final = tuple(_MATCHES)
_SAID_IN: Final = """{may_contents} AND Kept = 1 AND Gone = 0
AND hasAllTokens(Words, {tokens:Array(String)}) AND NOT has({refuted:Array(String)}, Digest)"""
SAID_KINDS: Final = f"SELECT DISTINCT Kind FROM contents WHERE {_SAID_IN}"
"""Of which kinds the texts with some words are: a table is only asked for those."""

SAID_CONDITION: Final = f"""
Stage = 'prompt' AND {{digest}} IN (
    SELECT Digest FROM contents WHERE {_SAID_IN} AND Kind = '{{kind}}'
)
"""
SAID: Final = """
SELECT
    toUnixTimestamp64Nano(Timestamp), TraceId, SpanId, RequestId, ServiceName, Audience, Session,
    User, '{kind}', {digest}
FROM {table} FINAL WHERE {may_{table}} AND {where} AND {moments}
ORDER BY Timestamp DESC, SpanId
LIMIT 1 BY TraceId, SpanId, {digest}
LIMIT {limit:UInt32}
"""
SAID_WHERE: Final = (
    ("flows", "Digest", "chunk"),
    ("flows", "PromptDigest", "prompt"),
    ("flows", "CompletionDigest", "completion"),
    ("decisions", "PromptDigest", "prompt"),
    ("decisions", "CompletionDigest", "completion"),
)
"""Tables, and the columns of theirs that name texts of a kind; a prompt without any flow is only
among the decisions, and one on which nobody decided only among the flows."""

MATCHES: Final = "SELECT " + ", ".join(
    f"(SELECT count() FROM (SELECT 1 FROM reached WHERE {{may_reached}} AND {condition} LIMIT 1))"
    for condition in _MATCHES.values()
)
"""Which kinds of thing the names are: one number each, 0 or 1, each from its own index."""


def matching(found: list[Matched]) -> tuple[str, str]:
    """What a row matched, as an expression, and the condition that finds it."""
    cases = ", ".join(f"{_MATCHES[kind]}, '{kind}'" for kind in found)
    return f"multiIf({cases}, '')", " OR ".join(_MATCHES[kind] for kind in found)


TRACE_IDS: Final = """
SELECT DISTINCT TraceId FROM otel_traces WHERE {may_otel_traces}
AND startsWith(TraceId, {prefix:String}) ORDER BY TraceId LIMIT 2
"""

TRACE_SPANS: Final = f"""
SELECT {SPAN_COLUMNS} FROM otel_traces WHERE {{may_otel_traces}} AND TraceId = {{trace_id:String}}
ORDER BY Version DESC, Timestamp, SpanId
LIMIT 1 BY SpanId
"""
"""Of rows with one span id the one that counts, which is not always the earliest."""

TRACE_FLOWS: Final = f"""
SELECT {FLOW_COLUMNS} FROM flows
WHERE {{may_flows}} AND TraceId = {{trace_id:String}}
  AND Timestamp >= fromUnixTimestamp64Nano({{first:Int64}})
  AND Timestamp <= fromUnixTimestamp64Nano({{last:Int64}})
ORDER BY Timestamp, SpanId, Ordinal, Version DESC
LIMIT 1 BY Timestamp, SpanId, Ordinal
"""

STATS: Final = """
SELECT
    (SELECT uniqExact(TraceId, SpanId) FROM otel_traces WHERE {may_otel_traces}),
    (SELECT count() FROM flows FINAL WHERE {may_flows}),
    (SELECT uniqExact(Digest, Kind, Level) FROM contents FINAL WHERE {may_contents}),
    (
        SELECT uniqExactIf((Digest, Kind, Level), Kept = 1 AND Gone = 0)
        FROM contents FINAL WHERE {may_contents}
    ),
    (
        SELECT if(count() = 0, 0, toUnixTimestamp64Nano(min(Timestamp)))
        FROM otel_traces WHERE {may_otel_traces}
    ),
    (
        SELECT if(count() = 0, 0, toUnixTimestamp64Nano(max(Timestamp)))
        FROM otel_traces WHERE {may_otel_traces}
    ),
    (
        SELECT sum(bytes_on_disk) FROM system.parts
        WHERE {may_all} AND active AND database = currentDatabase()
    )
"""

SPANS_REPLACED: Final = """
SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'otel_traces'
AND endsWith(engine, 'ReplacingMergeTree')
"""

BROKEN_PARTS: Final = """
SELECT count() FROM system.detached_parts
WHERE database = currentDatabase() AND startsWith(reason, 'broken')
"""

_RECENT: Final = """_part IN (
    SELECT name FROM system.parts
    WHERE active AND min_block_number = max_block_number
      AND database = currentDatabase() AND table = 'otel_traces'
    ORDER BY modification_time DESC LIMIT 8
)"""
"""Spans of the last inserts: a part of one block was written by one, and no merge touched it."""

_SINCE: Final = f"Timestamp >= (SELECT min(Timestamp) FROM otel_traces WHERE {_RECENT})"
ORPHANS: Final = f"""
SELECT DISTINCT SpanId FROM otel_traces WHERE {_RECENT} AND (
    mapContains(SpanAttributes, 'ragtrace.flows') AND SpanAttributes['ragtrace.flows'] != '[]'
    AND (
        (TraceId, SpanId) NOT IN (SELECT TraceId, SpanId FROM flows WHERE {_SINCE})
        OR sipHash64(TraceId, SpanId) NOT IN (SELECT Span FROM reached WHERE {_SINCE})
        OR sipHash64(TraceId, SpanId) NOT IN (SELECT Span FROM steps WHERE {_SINCE})
    )
    OR mapContains(SpanAttributes, 'ragtrace.decision.action')
    AND (TraceId, SpanId) NOT IN (SELECT TraceId, SpanId FROM decisions WHERE {_SINCE})
)
"""
"""Spans that a crash left without their flows or their decision."""
