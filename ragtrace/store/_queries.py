"""Queries: every line of SQL that reads or writes rows; values are parameters, always.

Rows may be there twice until the engine merges them, because a client repeats a batch it is
not sure of. A list of rows is therefore read with ``LIMIT 1 BY`` its key, which costs little,
and an aggregate over flows with ``FINAL``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from ragtrace.store._rows import FlowRow, Matched, SpanRow

__all__ = [
    "BROKEN_PARTS",
    "EDGES",
    "FLOW_COLUMNS",
    "HOURS",
    "KINDS",
    "MATCHES",
    "ORPHANS",
    "SAID",
    "SAID_KINDS",
    "SAID_WHERE",
    "SEALED_SAMPLE",
    "STATS",
    "TEXTS",
    "TRACE_FLOWS",
    "TRACE_IDS",
    "TRACE_SPANS",
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


def columns_of(record: type) -> str:
    """The columns that hold the fields of a record, in their order."""
    names = [name.name for name in fields(record)]
    return ", ".join(_COLUMNS.get(n) or n.title().replace("_", "") for n in names)


FLOW_COLUMNS: Final = columns_of(FlowRow)
SPAN_COLUMNS: Final = columns_of(SpanRow)

_NARROW: Final = {"table": "reached", "edge": "Edge", "prompt": "Prompt"}
_WIDE: Final = {
    "table": "flows",
    "edge": "toJSONString([Source, Level, Audience, Stage, Action, Mode])",
    "prompt": "sipHash64(if(PromptDigest = '', SpanId, PromptDigest))",
}
_ONLY_IN_FLOWS: Final = frozenset({"session", "user", "rule"})


def counting(query: str, asked: Iterable[str]) -> str:
    """``query`` over the narrow table, or over the flows where a condition needs them."""
    names = _NARROW if _ONLY_IN_FLOWS.isdisjoint(asked) else _WIDE
    for name, text in names.items():
        query = query.replace(f"{{{name}}}", text)
    return query


EDGES: Final = """
SELECT edge[1], edge[2], edge[3], edge[4], edge[5], edge[6], flows, prompts, first, last
FROM (
    SELECT
        JSONExtract({edge}, 'Array(String)') AS edge,
        count() AS flows,
        arrayUniq(groupArrayIf({prompt}, Stage = 'prompt')) AS prompts,
        toUnixTimestamp64Nano(min(Timestamp)) AS first,
        toUnixTimestamp64Nano(max(Timestamp)) AS last
    FROM {table} FINAL WHERE {may_{table}} AND {where}
    GROUP BY {edge}
)
ORDER BY edge
"""
"""Grouped by one column that holds six: that takes a fifth of the time of six. Prompts are told
apart when all of an edge are together, in a set that fits a cache: ``uniqExact``, with a thousand
sets at once, takes half as long again."""

HOURS: Final = """
SELECT
    toUnixTimestamp(toStartOfHour(min(Timestamp))) * 1000000000 AS hour,
    any(Level) AS level,
    count()
FROM {table} FINAL WHERE {may_{table}} AND {where}
GROUP BY bitXor(sipHash64(Level), toUnixTimestamp(toStartOfHour(Timestamp)))
ORDER BY hour, level
"""
"""Grouped by one number that stands for hour and level: a fifth quicker than by the two."""

_MATCHES: Final[dict[Matched, str]] = {
    "document": "Document = {what:String}",
    "chunk": "ChunkId = {what:String}",
    "digest": "Digest = {what:String}",
    "uri": "Uri = {what:String}",
    "source": "Source = {what:String}",
}
KINDS: Final = tuple(_MATCHES)
SAID_KINDS: Final = """
SELECT DISTINCT Kind FROM contents WHERE {may_contents} AND Kept = 1
AND hasAllTokens(Words, {tokens:Array(String)}) AND NOT has({refuted:Array(String)}, Digest)
"""
"""Of which kinds the texts with some words are: a table is only asked for those."""

SAID: Final = """
SELECT
    toUnixTimestamp64Nano(Timestamp), TraceId, SpanId, RequestId, ServiceName, Audience, Session,
    User, '{kind}', {digest}
FROM {table} WHERE {may_{table}} AND {where} AND Stage = 'prompt' AND {digest} IN (
    SELECT Digest FROM contents WHERE {may_contents} AND Kind = '{kind}' AND Kept = 1
    AND hasAllTokens(Words, {tokens:Array(String)}) AND NOT has({refuted:Array(String)}, Digest)
)
ORDER BY Timestamp DESC
LIMIT 1 BY SpanId, {digest}
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
    f"(SELECT count() FROM (SELECT 1 FROM flows WHERE {{may_flows}} AND {condition} LIMIT 1))"
    for condition in _MATCHES.values()
)
"""Which kinds of thing the word is: one number each, 0 or 1, each from its own index."""


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
ORDER BY Timestamp, SpanId, Version DESC
LIMIT 1 BY SpanId
"""

TRACE_FLOWS: Final = f"""
SELECT {FLOW_COLUMNS} FROM flows
WHERE {{may_flows}} AND TraceId = {{trace_id:String}}
  AND Timestamp >= fromUnixTimestamp64Nano({{first:Int64}})
  AND Timestamp <= fromUnixTimestamp64Nano({{last:Int64}})
ORDER BY Timestamp, SpanId, Ordinal, Version DESC
LIMIT 1 BY Timestamp, SpanId, Ordinal
"""

TEXTS: Final = """
SELECT Digest, Kind, Level, Text FROM contents
WHERE {may_contents} AND Digest IN {digests:Array(String)} AND Kept = 1
ORDER BY Digest, Kind, Level
LIMIT 1 BY Digest
"""

SEALED_SAMPLE: Final = (
    "SELECT Digest, Kind, Level, Text FROM contents WHERE {may_contents} AND Kept = 1 LIMIT 1"
)

STATS: Final = """
SELECT
    (SELECT uniqExact(TraceId, SpanId) FROM otel_traces WHERE {may_otel_traces}),
    (SELECT count() FROM flows FINAL WHERE {may_flows}),
    (SELECT count() FROM contents FINAL WHERE {may_contents}),
    (SELECT countIf(Kept = 1) FROM contents FINAL WHERE {may_contents}),
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
        SpanId NOT IN (SELECT SpanId FROM flows WHERE {_SINCE})
        OR sipHash64(SpanId) NOT IN (SELECT Span FROM reached WHERE {_SINCE})
    )
    OR mapContains(SpanAttributes, 'ragtrace.decision.action')
    AND SpanId NOT IN (SELECT SpanId FROM decisions WHERE {_SINCE})
)
"""
"""Spans that a crash left without their flows or their decision."""
