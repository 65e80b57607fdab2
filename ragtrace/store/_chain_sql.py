"""The statements of the chain: what is to be linked, what is, and the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from ragtrace.store._entries import Entry, Head
from ragtrace.store._queries import columns_of
from ragtrace.store._rows import DecisionRow, Row

__all__ = [
    "BEHIND",
    "COUNT_UNCHAINED",
    "DAYS",
    "DECISIONS",
    "ENTRIES",
    "FLOWS",
    "HEADS",
    "HEAD_BEFORE",
    "HEAD_BEHIND",
    "LAST_HEAD",
    "LAST_HEADS",
    "LENGTHS",
    "LINES",
    "OF_TRACES",
    "SHREDS",
    "STUBS",
    "UNCHAINED",
    "entry_insert",
    "head_insert",
]

_PERIOD: Final = """Timestamp >= fromUnixTimestamp64Nano({first:Int64})
AND Timestamp <= fromUnixTimestamp64Nano({last:Int64})
AND SpanId IN (SELECT arrayJoin(splitByChar(',', {spans:String})))"""

DECISIONS: Final = f"""
SELECT {columns_of(DecisionRow)} FROM decisions FINAL WHERE {{may_decisions}} AND {_PERIOD}
ORDER BY Timestamp, SpanId, TraceId
"""

_LINE: Final = """toJSONString(CAST((
    Ordinal, replaceRegexpAll(Document, '[0-9a-f]{64}', '#'),
    replaceRegexpAll(ChunkId, '[0-9a-f]{64}', '#'), Source, Level, Compartments,
    if(ForReaders, length(Readers), NULL), Integrity, Basis, Rank, Verdict, Action, Rule, Mode,
    (ShadowAction, ShadowRule), Ranges, Released,
    arrayMap(one -> (
        replaceRegexpAll(one.document, '[0-9a-f]{64}', '#'), one.source, one.level, one.evidence
    ), Origins)
), 'Tuple(
    ordinal UInt32, document String, chunk String, source String, level String,
    compartments Array(String), readers Nullable(UInt64), integrity String, basis String,
    rank UInt32, verdict String, action String, rule String, mode String,
    shadow Tuple(action String, rule String),
    ranges Array(Tuple(start UInt32, end UInt32, level String)), released String,
    origins Array(Tuple(document String, source String, level String, evidence String))
)'))"""
"""A flow as it was judged; a digest that stands in an id is left out, for it is one of a text."""

FLOWS: Final = f"""
SELECT
    toUnixTimestamp64Nano(Timestamp), TraceId, SpanId,
    lower(hex(SHA256(arrayStringConcat(arrayMap(one -> concat(one.3, '\\n'), told))))),
    arrayMap(one -> one.4, told),
    arrayFlatten(arrayMap(one -> one.5, told))
FROM (
    SELECT Timestamp, TraceId, SpanId,
        arraySort(groupArray((Ordinal, Document, {_LINE}, toString(Digest), Readers))) AS told
    FROM flows FINAL WHERE {{may_flows}} AND {_PERIOD}
    GROUP BY Timestamp, TraceId, SpanId
)
"""
"""As they count, whatever came twice; hashed where they are, for there are many."""

LINES: Final = f"""
SELECT toUnixTimestamp64Nano(Timestamp), TraceId, SpanId, {_LINE}, Digest, Readers
FROM flows FINAL WHERE {{may_flows}} AND {_PERIOD}
ORDER BY Timestamp, TraceId, SpanId, Ordinal, Document
"""
"""The same one by one, to be shown."""

_ENTRY: Final = columns_of(Entry)

ENTRIES: Final = f"""
SELECT {_ENTRY} FROM chain WHERE {{may_chain}} AND Key = {{key:String}} AND {_PERIOD}
ORDER BY Chain, Seq
"""
"""Those of some decisions, the latest of each chain last."""

BEHIND: Final = f"""
SELECT DISTINCT {_ENTRY} FROM chain
WHERE {{may_chain}} AND Chain = {{chain:String}} AND Seq > {{seq:UInt64}}
ORDER BY Seq, Hash
LIMIT {{limit:UInt32}}
"""

OF_TRACES: Final = f"""
SELECT DISTINCT {_ENTRY} FROM chain
WHERE {{may_chain}} AND TraceId IN {{traces:Array(String)}}
ORDER BY Chain, Seq, Hash
"""

LENGTHS: Final = """
SELECT Chain, uniqExact(Seq, Hash) FROM chain WHERE {may_chain} GROUP BY Chain ORDER BY Chain
"""
"""How many entries each chain has."""

HEADS: Final = f"""
SELECT DISTINCT {columns_of(Head)} FROM heads
WHERE {{may_heads}} AND Seq > {{seq:UInt64}} AND Chain = {{chain:String}}
ORDER BY Seq, Sealed
LIMIT {{limit:UInt32}}
"""

LAST_HEAD: Final = f"""
SELECT {columns_of(Head)} FROM heads WHERE {{may_heads}} AND Chain = {{chain:String}}
ORDER BY Seq DESC, Sealed DESC LIMIT 1
"""

HEAD_BEFORE: Final = f"""
SELECT {columns_of(Head)} FROM heads
WHERE {{may_heads}} AND Chain = {{chain:String}} AND Seq < {{seq:UInt64}}
ORDER BY Seq DESC, Sealed LIMIT 1
"""

HEAD_BEHIND: Final = f"""
SELECT {columns_of(Head)} FROM heads
WHERE {{may_heads}} AND Chain = {{chain:String}} AND Seq >= {{seq:UInt64}}
ORDER BY Seq, Sealed LIMIT 1
"""

LAST_HEADS: Final = f"""
SELECT {columns_of(Head)} FROM heads WHERE {{may_heads}}
ORDER BY Chain, Seq DESC, Sealed DESC
LIMIT 1 BY Chain
"""

SHREDS: Final = "SELECT DISTINCT Shred FROM shreds WHERE {may_shreds}"

STUBS: Final = """
SELECT DISTINCT Seq, Hash, lower(hex(SHA256(Body))), Supersedes FROM chain
WHERE {may_chain} AND Chain = {chain:String} AND Seq > {seq:UInt64} AND Seq <= {last:UInt64}
ORDER BY Seq, Hash
LIMIT {limit:UInt32}
"""

DAYS: Final = """
SELECT DISTINCT toDate(Timestamp) AS day FROM decisions WHERE {may_decisions} ORDER BY day
"""

_LACKING: Final = """FROM decisions FINAL
WHERE {may_decisions} AND toDate(Timestamp) = {day:Date}
AND sipHash64(Timestamp, TraceId, SpanId) NOT IN (
    SELECT sipHash64(Timestamp, TraceId, SpanId) FROM chain
    WHERE {may_chain} AND toDate(Timestamp) = {day:Date}
)"""
"""Decisions of one day without an entry; by a hash, since a set of ids of millions is too large."""

UNCHAINED: Final = f"""
SELECT toUnixTimestamp64Nano(Timestamp), TraceId, SpanId {_LACKING}
ORDER BY Timestamp, SpanId
LIMIT {{limit:UInt32}}
"""
COUNT_UNCHAINED: Final = f"SELECT count() {_LACKING}"

_ENTRY_TYPES: Final = {
    "Chain": "LowCardinality(String)",
    "Seq": "UInt64",
    "Hash": "String",
    "Timestamp": "DateTime64(9, 'UTC')",
    "TraceId": "String",
    "SpanId": "String",
    "Tenant": "LowCardinality(String)",
    "Key": "LowCardinality(String)",
    "Supersedes": "String",
    "Body": "String",
}
_HEAD_TYPES: Final = {
    "Chain": "LowCardinality(String)",
    "Seq": "UInt64",
    "Hash": "String",
    "Sealed": "DateTime64(9, 'UTC')",
    "PublicKey": "LowCardinality(String)",
    "Signature": "String",
}


def entry_insert(entries: Sequence[Entry]) -> dict[str, Any]:
    """Arguments of the client's ``insert``: one block, so that all are there or none."""
    return _insert("chain", _ENTRY_TYPES, Entry, entries)


def head_insert(head: Head) -> dict[str, Any]:
    """Arguments of the client's ``insert`` for one head."""
    return _insert("heads", _HEAD_TYPES, Head, [head])


def _insert(
    table: str, types: dict[str, str], record: type[Row], rows: Sequence[Row]
) -> dict[str, Any]:
    return {
        "table": table,
        "data": [[getattr(row, name.name) for row in rows] for name in fields(record)],
        "column_names": list(types),
        "column_type_names": list(types.values()),
        "column_oriented": True,
    }
