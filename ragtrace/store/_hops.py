"""Hops: the statements of reach, each about a whole set of texts, and the walk through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ragtrace.store import _narrow
from ragtrace.store import _queries as sql
from ragtrace.store._lists import Ask
from ragtrace.store._reached import GRADES, Matched, Reached, Sought
from ragtrace.store._rows import FlowRow, OriginRow, flow_of
from ragtrace.store._sweep import CACHED, Found, hands_on, swept

__all__ = ["MOST_HOPS", "Walk"]

MOST_HOPS: Final = 32
"""Times a text may be made anew on the way: far more than any conversation or agent does."""
MOST_TEXTS: Final = 1_000
"""Digests of one statement, whose parameters a server takes in the address."""

_OF_FLOWS: Final = f"{sql.FLOW_COLUMNS}, {{matched}}, arrayFilter(one -> {{origin}}, Origins)"
_SEEDS: Final = f"""
SELECT {_OF_FLOWS} FROM flows FINAL WHERE {{may_flows}} AND {{found}} AND {{where}}
ORDER BY Timestamp, SpanId, Ordinal LIMIT {{limit:UInt32}}
"""
_MADE: Final = f"""
SELECT {_OF_FLOWS} FROM flows FINAL WHERE {{may_flows}}
AND Timestamp IN (
    SELECT Timestamp FROM derived WHERE {{may_derived}}
    AND Made IN (SELECT sipHash64(arrayJoin({{digests:Array(String)}})))
)
AND toString(Digest) IN {{digests:Array(String)}}
ORDER BY Timestamp, SpanId, Ordinal LIMIT {{limit:UInt32}}
"""
"""Where they are is known from the small table; the index of digests would be asked for each text
in each granule."""

_TOLD: Final = {
    "ordinal": "4294967295",  # behind the flows of its prompt
    "stage": f"'{CACHED}'",
    "chunk_id": "substring(CompletionDigest, 1, 16)",
    "document": "concat('completion:', substring(CompletionDigest, 1, 16))",
    "digest": "CompletionDigest",
    "source": "'completion'",
    "level": "CompletionLevel",
    "basis": "'derived'",
    "action": "if(Withheld > 0, 'context_only', Action)",
    "mode": "if(Withheld > 0, 'enforce', Mode)",
    "blocked": "Action = 'block' AND Mode != 'shadow'",
    "rank": "0",
    "score": "NULL",
    **dict.fromkeys(("compartments", "spans", "group", "ranges", "origins"), "[]"),
    **dict.fromkeys(
        ("uri", "verdict", "shadow_action", "shadow_rule", "carried", "released"), "''"
    ),
}
"""What an answer out of a cache is told as, where its decision, which was about the prompt, says
something else, or nothing. Of what was withheld in part, it is not known that it was said."""
_CACHED: Final = f"""
SELECT {sql.columns_of(FlowRow, _TOLD)},
    NULL, arrayFilter(one -> {{origin}}, Origins)
FROM decisions FINAL WHERE {{may_decisions}}
AND Timestamp IN (SELECT Timestamp FROM decisions WHERE {{may_decisions}} AND Cached)
AND Cached AND {{found}} AND {{where}}
ORDER BY Timestamp, SpanId LIMIT {{limit:UInt32}}
"""
_OF_ORIGINS: Final[Mapping[Matched, str]] = {
    "document": "has({what:Array(String)}, one.document)",
    "source": "has({what:Array(String)}, one.source)",
    "digest": "has({what:Array(String)}, one.digest)",
    "chunk": "has({chunks:Array(String)}, one.digest)",
    "uri": "has({chunks:Array(String)}, one.digest)",
}
"""A chunk or an address names nothing in an origin but the text that it was found to have."""
_INDEXED: Final[Mapping[Matched, str]] = {
    "document": "hasAny(Origins.document, {what:Array(String)})",
    "source": "hasAny(Origins.source, {what:Array(String)})",
    "digest": "hasAny(Origins.digest, {what:Array(String)})",
    "chunk": "hasAny(Origins.digest, {chunks:Array(String)})",
    "uri": "hasAny(Origins.digest, {chunks:Array(String)})",
}
"""The same of all origins of a flow: each has an index of its own, and a statement of its own."""
_OF_ANY: Final[tuple[Matched, ...]] = ("document", "source", "digest")
_NARROWING: Final = ("document", "source", "level")
"""Conditions that an origin may meet in place of the text that was made of it."""
_BLANK: Final = {
    "compartments": (), "for_readers": False, "readers": (), "integrity": "trusted", "carried": "",
}  # fmt: skip
"""What a decision does not tell of an origin."""


class Walk:
    """One question on its way: what was found so far, and which texts are to be followed.

    Args:
        ask: Asks as the caller: what he may not see is neither found nor followed.
        sought: What is asked for.
        limit: Rows of the answer.
    """

    def __init__(self, ask: Ask, sought: Sought, limit: int) -> None:
        self._ask, self._sought, self._limit = ask, sought, limit
        self._found: dict[tuple[object, ...], Found] = {}
        self._followed: set[str] = set()
        self._params: dict[str, Any] = {
            **sought.where.as_params(),
            "what": list(sought.names),
            "chunks": [],
        }
        self._kinds = self._kinds_of_names()
        self._whole = True

    def answer(self) -> Reached:
        """Find where it began, and then whatever was made of that, hop by hop."""
        self._begin()
        for _ in range(MOST_HOPS):
            texts = {
                one.flow.completion_digest for one in self._found.values() if hands_on(one.flow)
            }
            new = sorted(texts - self._followed)
            if not new or len(self._found) > self._limit:
                break
            self._followed |= set(new)
            for start in range(0, len(new), MOST_TEXTS):
                self._follow(new[start : start + MOST_TEXTS])
        else:
            self._whole = False
        rows = swept(self._found.values(), MOST_HOPS)
        complete = self._whole and len(self._found) <= self._limit
        return Reached(tuple(rows[: self._limit]), complete)

    def _kinds_of_names(self) -> list[Matched]:
        if not self._sought.names:
            return []
        (hits,) = self._ask(sql.MATCHES, self._params)
        return [kind for kind, hit in zip(sql.KINDS, hits, strict=True) if hit]

    def _begin(self) -> None:
        names, where = self._sought.names, self._sought.where
        matched, found = "''", "1"
        if names:
            matched, found = sql.matching(self._kinds) if self._kinds else ("''", "0")
        self._take(_SEEDS, _narrow.of_flows(where), found=f"({found})", matched=matched)
        flows = [one.flow for one in self._found.values()]
        digests = {flow.digest for flow in flows}
        digests |= {origin.digest for flow in flows for origin in flow.origins if not names}
        self._params["chunks"] = sorted(digests)[:MOST_TEXTS]
        if not names and not any(getattr(where, name) is not None for name in _NARROWING):
            return
        narrowed = _narrow.of_flows(replace(where, **dict.fromkeys(_NARROWING)))
        some = f"arrayExists(one -> {self._origin}, Origins)"
        kinds = self._kinds or _OF_ANY
        for indexed in dict.fromkeys(_INDEXED[kind] for kind in kinds) if names else ("1",):
            self._take(_SEEDS, narrowed, found=f"{indexed} AND {some}", recorded=True)
        self._take(_CACHED, narrowed, found=some, recorded=True)

    def _follow(self, digests: Sequence[str]) -> None:
        made = "has({digests:Array(String)}, CompletionDigest)"
        self._take(_MADE, "1", digests=digests)
        self._take(_CACHED, "1", found=made, digests=digests)

    @property
    def _origin(self) -> str:
        """The condition on an origin, called ``one``, that it is what is asked for."""
        where = self._sought.where.as_params()
        kinds = self._kinds or _OF_ANY
        named = " OR ".join(dict.fromkeys(_OF_ORIGINS[kind] for kind in kinds))
        if not self._sought.names:
            named = "1" if any(name in where for name in _NARROWING) else _OF_ORIGINS["chunk"]
        also = [f"one.{name} = {{{name}:String}}" for name in _NARROWING if name in where]
        return " AND ".join([f"({named})", *also])

    def _take(
        self,
        query: str,
        where: str,
        *,
        found: str = "1",
        matched: str = "NULL",
        recorded: bool = False,
        digests: Sequence[str] = (),
    ) -> None:
        """Run a statement, and keep what was not found before."""
        places = {"matched": matched, "origin": self._origin, "found": found, "where": where}
        for place, text in places.items():
            query = query.replace(f"{{{place}}}", text)
        left = self._limit + 1 - len(self._found)
        if left <= 0:
            return
        asked = {**self._params, "limit": self._limit + 1, "digests": list(digests)}
        for *columns, of_what, origins in self._ask(query, asked):
            known = [OriginRow.from_json({**_BLANK, **origin}) for origin in origins]
            one = _found(flow_of(columns), of_what, known, recorded)
            before = self._found.get(one.key)
            if before is None:
                self._found[one.key] = one
            elif recorded and not before.recorded:
                self._found[one.key] = replace(before, recorded=True)


def _found(
    flow: FlowRow, matched: Matched | None, known: Iterable[OriginRow], recorded: bool
) -> Found:
    ordered = sorted(known, key=lambda one: _place(one.evidence))
    carried = [one.carried for one in ordered]
    if matched is not None:
        carried.append(flow.carried)
    if flow.stage == CACHED:  # it is its own completion
        carried = [one.evidence for one in ordered]
    surest = min(carried, key=_place, default="")
    return Found(flow, matched, ordered[0] if ordered else None, surest, recorded)


def _place(evidence: str) -> int:
    """The surest first."""
    return GRADES.index(evidence) if evidence in GRADES else len(GRADES)
