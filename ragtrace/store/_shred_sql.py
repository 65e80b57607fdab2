"""SQL of shredding: what has a key, what was made from something, and how rows are emptied."""

from __future__ import annotations

from typing import Any, Final

from ragtrace.store._shreds import LEVEL_DIGITS, Shred, Target

__all__ = [
    "DERIVED_OF_DOCUMENT",
    "DERIVED_OF_LEVEL",
    "EMPTY_BY_KEY",
    "EMPTY_BY_TEXT",
    "KEYS_IN_USE",
    "NAMES",
    "SESSIONS",
    "SHREDS",
    "TEXTS_OF_KEYS",
    "UNNAME",
    "WAIT",
    "shred_insert",
]

WAIT: Final = {"mutations_sync": 1, "max_partitions_per_insert_block": 0}
"""A change of rows returns when it is made, and may be of many months."""

_OF_KEYS: Final = f"""(
    Key IN {{keys:Array(String)}} OR substring(Key, 1, {LEVEL_DIGITS}) IN {{keys:Array(String)}}
)"""

TEXTS_OF_KEYS: Final = f"""
SELECT Level, uniqExact(Digest, Kind, Key) FROM contents
WHERE {{may_contents}} AND Kept = 1 AND Gone = 0 AND {_OF_KEYS}
GROUP BY Level ORDER BY Level
"""

KEYS_IN_USE: Final = """
SELECT DISTINCT Key FROM contents WHERE {may_contents} AND Kept = 1 AND Gone = 0
"""

_DERIVED: Final = f"""
SELECT DISTINCT Key, Digest, Level FROM contents
WHERE {{may_contents}} AND Kept = 1 AND Gone = 0 AND Kind != 'chunk' AND NOT {_OF_KEYS}
AND Digest IN (
    SELECT arrayJoin([PromptDigest, CompletionDigest]) FROM flows
    WHERE {{may_flows}} AND Stage = 'prompt' AND NOT (Action = 'drop' AND Mode != 'shadow')
    AND ({{made}})
)
"""
DERIVED_OF_DOCUMENT: Final = _DERIVED.replace(
    "{made}",
    "Document = {name:String} OR has(Origins.document, {name:String}) AND Timestamp IN ("
    "SELECT Timestamp FROM derived WHERE {may_derived} AND has(Origins.document, {name:String}))",
)
DERIVED_OF_LEVEL: Final = _DERIVED.replace(
    "{made}", "Level = {name:String} OR has(Origins.level, {name:String})"
)
"""Prompts and answers that something was found in, or what was made from it. Where a passage was
dropped, it is not in the prompt that was sent."""

SHREDS: Final = """
SELECT Shred, toUnixTimestamp64Nano(Timestamp), Kind, Name, Who, Why, Texts, Keys, Punctured,
    Proof
FROM shreds WHERE {may_shreds} ORDER BY Timestamp, Shred
LIMIT 1 BY Shred, Proof
"""

SESSIONS: Final = """
SELECT DISTINCT Session FROM flows WHERE {may_flows} AND User = {name:String} AND Session != ''
UNION DISTINCT
SELECT DISTINCT Session FROM decisions
WHERE {may_decisions} AND User = {name:String} AND Session != ''
"""

NAMES: Final = """
SELECT DISTINCT {column} FROM flows WHERE {may_flows}
UNION DISTINCT
SELECT DISTINCT {column} FROM decisions WHERE {may_decisions}
"""

_EMPTY: Final = "ALTER TABLE contents UPDATE Text = '', Words = '', Gone = 1 WHERE Gone = 0 AND "
EMPTY_BY_KEY: Final = _EMPTY + _OF_KEYS
EMPTY_BY_TEXT: Final = (
    _EMPTY + "has(arrayZip({keys:Array(String)}, {digests:Array(String)}), (Key, Digest))"
)

_BEFORE: Final = "Timestamp <= fromUnixTimestamp64Nano({until:Int64})"
_PERSON: Final = "match(key, '(?i)user|session|conversation|thread')"
"""Attributes, of whichever tracer, that hold a name of a person or a session; a name may be any
word, and stand elsewhere for something else."""
_PLACES: Final = {"Session": "Told[6]", "User": "Told[7]"}
"""Where a step names them, the one behind the other."""
_SESSION: Final = "key IN ('session.id', 'gen_ai.conversation.id')"


def _unname(column: str, replaced: str, also: str, told: str) -> tuple[str, ...]:
    """Statements that put something else in the place of names, on rows from before.

    A span's version is made of its attributes, so that they cannot be changed where they are: it
    is written again, which makes its flows again too, and then the row from before is deleted.
    """
    named, instead = "IN {names:Array(String)}", "{instead:String}"
    spans = (
        f"arrayExists((key, value) -> {_PERSON} AND value {named}, "
        f"mapKeys(SpanAttributes), mapValues(SpanAttributes)) AND {_BEFORE}"
    )
    changed = f"mapApply((key, value) -> (key, if({replaced}, {instead}, value)), SpanAttributes)"
    return (
        f"INSERT INTO otel_traces SELECT * REPLACE({changed} AS SpanAttributes) "
        f"FROM (SELECT * FROM otel_traces WHERE {spans})",
        f"DELETE FROM otel_traces WHERE {spans} AND (TraceId, SpanId) IN "
        "(SELECT TraceId, SpanId FROM otel_traces "
        f"WHERE has(mapValues(SpanAttributes), {instead}))",
        *(
            f"ALTER TABLE {table} UPDATE {also} WHERE {column} {named} AND {_BEFORE}"
            for table in ("flows", "decisions")
        ),
        f"ALTER TABLE steps UPDATE Told = {told} WHERE {_PLACES[column]} {named} AND {_BEFORE}",
    )


_NAMED: Final = f"{_PERSON} AND value IN {{names:Array(String)}}"
UNNAME: Final[dict[Target, tuple[str, ...]]] = {
    "user": _unname(
        "User",
        f"{_NAMED} OR {_SESSION}",
        "User = {instead:String}, Session = {instead:String}",
        "arrayConcat(arraySlice(Told, 1, 5), [{instead:String}, {instead:String}], "
        "arraySlice(Told, 8))",
    ),
    "session": _unname(
        "Session",
        _NAMED,
        "Session = {instead:String}",
        "arrayConcat(arraySlice(Told, 1, 5), [{instead:String}], arraySlice(Told, 7))",
    ),
}
"""A user's sessions go with the name: they are as good as one."""

_TYPES: Final = {
    "Shred": "String",
    "Timestamp": "DateTime64(9, 'UTC')",
    "Kind": "LowCardinality(String)",
    "Name": "String",
    "Who": "String",
    "Why": "String",
    "Texts": "UInt64",
    "Keys": "Array(String)",
    "Punctured": "Array(Tuple(String, String))",
    "Proof": "String",
}


def shred_insert(shred: Shred, proof: str) -> dict[str, Any]:
    """Arguments of the client's ``insert`` for a record, and what proves it."""
    plain = [shred.id, shred.time_ns, shred.kind, shred.name, shred.by, shred.reason, shred.texts]
    return {
        "table": "shreds",
        "data": [[*plain, list(shred.keys), list(shred.punctured), proof]],
        "column_names": list(_TYPES),
        "column_type_names": list(_TYPES.values()),
    }
