"""Hop SQL: where the flows of a text are read from, and what their steps share.

Whatever the table, a row is what ``ReachedFlow`` begins with, then a list of its source, level,
audience, stage, action and mode, the step's hash, the row's version, what the name asked for is of
it, the origins that are asked for, and digests that are asked for from now on. What the flows of a
step share is read for many steps at once; its newest version says which rows count, so that the
engine need not merge tables whose parts all overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ragtrace.store import _queries as sql
from ragtrace.store._reached import Matched
from ragtrace.store._sweep import CACHED

__all__ = [
    "ANY_KIND",
    "BY_DOCUMENT",
    "BY_TIME",
    "DERIVED",
    "DERIVED_BY_TIME",
    "FROM_CACHES",
    "LATER",
    "MADE",
    "NAMED",
    "OF_ORIGINS",
    "STEPS",
]

_NAMES: Final = (
    "time_ns", "ordinal", "document", "chunk_id", "uri", "digest", "verdict", "carried", "rule",
    "reason",
)  # fmt: skip
_COLUMNS: Final = ", ".join(map(sql.column_of, _NAMES))
_ORIGINS: Final = "arrayFilter(one -> {origin}, Origins)"
_EDGE: Final = "arraySlice(JSONExtract(Edge, 'Array(String)'), 1, 6)"
_MATCHED: Final = f"{_COLUMNS}, {_EDGE}, Span, Version, {{matched}}"
_OF_FLOWS: Final = f"""{_COLUMNS}, [Source, Level, Audience, Stage, Action, Mode],
    sipHash64(TraceId, SpanId), Version, {{matched}}, {_ORIGINS}"""
_OLDEST: Final = "ORDER BY Timestamp LIMIT {limit:UInt32} WITH TIES"

NAMED: Final = """
SELECT DISTINCT Digest FROM reached WHERE {may_reached} AND {found} AND Digest != ''
LIMIT {limit:UInt32}
"""
"""The texts of a chunk or an address, whenever they were read: some flows may have what was made of
a text that is in none of them."""

BY_DOCUMENT: Final = f"""
SELECT {_MATCHED}, [], [] FROM reached WHERE {{may_reached}} AND {{found}} AND {{where}}
{_OLDEST}
"""
"""Of a name: what has one lies together, wherever in time it is."""

BY_TIME: Final = f"""
SELECT {_OF_FLOWS}, {{texts}}
FROM flows FINAL WHERE {{may_flows}} AND {{found}} AND {{where}}
{_OLDEST}
"""
"""Of whom and when: a session lies together here. Without a name, what its flows were made from is
what is asked for."""

DERIVED: Final = f"""
SELECT {_MATCHED}, {_ORIGINS}, []
FROM derived WHERE {{may_derived}} AND {{found}} AND {{where}}
{_OLDEST}
"""

DERIVED_BY_TIME: Final = f"""
SELECT {_OF_FLOWS}, []
FROM flows FINAL WHERE {{may_flows}} AND {{found}} AND {{where}}
AND Timestamp IN (SELECT Timestamp FROM derived WHERE {{may_derived}} AND {{found}})
{_OLDEST}
"""
"""The same on conditions that the small table has no columns for."""

MADE: Final = f"""
SELECT {_MATCHED}, {_ORIGINS}, [] FROM derived WHERE {{may_derived}}
AND Made IN (SELECT sipHash64(arrayJoin({{digests:Array(String)}})))
AND Digest IN {{digests:Array(String)}}
AND (Timestamp, Span, Ordinal) NOT IN (
    SELECT fromUnixTimestamp64Nano(one.1), one.2, one.3
    FROM (SELECT arrayJoin({{known:Array(Tuple(Int64, UInt64, UInt32))}}) AS one)
)
AND {{where}}
{_OLDEST}
"""
"""Of the very texts of some digests, later than they were made; what is known is not read again."""

LATER: Final = "Timestamp > fromUnixTimestamp64Nano({first:Int64})"
"""Than the first of them was made: what was said before is not of it, however often."""

_TOLD: Final = {
    "ordinal": "4294967295",  # behind the flows of its prompt
    "document": "concat('completion:', substring(CompletionDigest, 1, 16))",
    "chunk_id": "substring(CompletionDigest, 1, 16)",
    "digest": "CompletionDigest",
    **dict.fromkeys(("uri", "verdict", "carried"), "''"),
}
FROM_CACHES: Final = f"""
SELECT {", ".join(_TOLD.get(name) or sql.column_of(name) for name in _NAMES)},
    ['completion', CompletionLevel, Audience, '{CACHED}', if(Withheld > 0, 'context_only', Action),
        if(Withheld > 0, 'enforce', Mode)],
    sipHash64(TraceId, SpanId), Version, NULL, {_ORIGINS}, []
FROM decisions FINAL WHERE {{may_decisions}}
AND Timestamp IN (SELECT Timestamp FROM decisions WHERE {{may_decisions}} AND Cached)
AND Cached AND {{found}} AND {{where}}
{_OLDEST}
"""
"""An answer out of a cache, where its decision, which was about the prompt, says something else, or
nothing. Of what was withheld in part, it is not known that it was said."""

STEPS: Final = """
SELECT toUnixTimestamp64Nano(Timestamp), sipHash64(Told[1], Told[2]), Version, Told
FROM steps WHERE {may_steps}
AND Timestamp IN (SELECT fromUnixTimestamp64Nano(arrayJoin({moments:Array(Int64)})))
"""

OF_ORIGINS: Final[Mapping[Matched, tuple[str, str]]] = {
    "document": (
        "has({what:Array(String)}, one.document)",
        "hasAny(Origins.document, {what:Array(String)})",
    ),
    "source": (
        "has({what:Array(String)}, one.source)",
        "hasAny(Origins.source, {what:Array(String)})",
    ),
    "digest": (
        "has({what:Array(String)}, one.digest)",
        "hasAny(Origins.digest, {what:Array(String)})",
    ),
    **dict.fromkeys(
        ("chunk", "uri"),
        (
            "has({chunks:Array(String)}, one.digest)",
            "hasAny(Origins.digest, {chunks:Array(String)})",
        ),
    ),
}
"""Of a kind of name, the condition on an origin, called ``one``, and on all origins of a flow, for
which there is an index. A chunk or an address names nothing in an origin but the text that it was
found to have."""

ANY_KIND: Final[tuple[Matched, ...]] = ("document", "source", "digest")
"""What an origin may be called by."""
