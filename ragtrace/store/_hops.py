"""Hops: the walk of reach, from a text to what was made of it, a set of texts at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ragtrace.store import _hop_sql as hop_sql
from ragtrace.store import _narrow
from ragtrace.store import _queries as sql
from ragtrace.store._hop_rows import HopRows, Statement
from ragtrace.store._lists import Ask
from ragtrace.store._reached import Matched, Reached, ReachedFlow, Sought
from ragtrace.store._rows import OriginRow
from ragtrace.store._sweep import CACHED, Found, hands_on, place_of, surest, swept

__all__ = ["MOST_HOPS", "Walk"]

MOST_HOPS: Final = 32
"""Times a text may be made anew on the way: far more than any conversation or agent does."""
MOST_TEXTS: Final = 1_000
"""Digests of one statement: what is found of more is long enough to be asked for by itself."""
MOST_CHUNKS: Final = 10_000
"""Texts that origins are compared with; of more, the answer says that it is not complete."""
MOST_KNOWN: Final = 5_000
"""Flows that a statement is told not to read again, of 45 characters each."""

_NARROWING: Final = ("document", "source", "level")
"""Conditions that an origin may meet in place of the text that was made of it."""
_ONLY_BY_TIME: Final = ("session", "user")
"""Conditions for which the flows have to be asked that are in order of time."""
_TEXTS_OF: Final[frozenset[Matched]] = frozenset({"chunk", "uri"})
"""Names that an origin does not have, but for the text that they are of."""
_BLANK: Final = {
    "compartments": (), "for_readers": False, "readers": (), "integrity": "trusted", "carried": "",
}  # fmt: skip
"""What reach does not ask of an origin."""


class Walk:
    """One question on its way: what was found so far, and which texts are to be followed.

    Args:
        ask: Asks as the caller: what he may not see is neither found nor followed.
        sought: What is asked for.
        limit: Rows of the answer.
    """

    def __init__(self, ask: Ask, sought: Sought, limit: int) -> None:
        self._ask, self._sought, self._limit = ask, sought, limit
        self._rows = HopRows(ask, limit)
        self._found: dict[tuple[object, ...], Found] = {}
        self._recorded: set[tuple[int, int, int]] = set()
        self._followed: set[str] = set()
        self._params: dict[str, Any] = {
            **sought.where.as_params(),
            "what": list(sought.names),
            "chunks": [],
        }
        self._kinds = self._kinds_of_names()
        self._by_time = any(getattr(sought.where, name) is not None for name in _ONLY_BY_TIME)
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
        cut = any(row.hop >= MOST_HOPS for row in rows)  # and what may be behind it
        complete = self._whole and not cut and len(self._found) <= self._limit
        return Reached(tuple(rows[: self._limit]), complete)

    def _kinds_of_names(self) -> list[Matched]:
        if not self._sought.names:
            return []
        (hits,) = self._ask(sql.MATCHES, self._params)
        return [kind for kind, hit in zip(sql.KINDS, hits, strict=True) if hit]

    def _begin(self) -> None:
        seeds = self._seeds()
        if self._sought.names and _TEXTS_OF.isdisjoint(self._kinds):
            self._take(seeds, *self._of_recorded())
            return
        # What the names are of has to be found before what was made of that is asked for.
        chunks = self._take(seeds)
        if self._sought.names:
            chunks = self._named()
        self._whole = self._whole and len(chunks) <= MOST_CHUNKS
        self._params["chunks"] = sorted(chunks - {""})[:MOST_CHUNKS]
        if self._sought.names or any(
            getattr(self._sought.where, name) is not None for name in _NARROWING
        ):
            self._take(*self._of_recorded())

    def _named(self) -> set[str]:
        """The texts that chunks and addresses of these names are, or were."""
        _, found = sql.matching([kind for kind in self._kinds if kind in _TEXTS_OF])
        query = hop_sql.NAMED.replace("{found}", f"({found})")
        return {name for (name,) in self._ask(query, {**self._params, "limit": MOST_CHUNKS + 1})}

    def _seeds(self) -> Statement:
        """What has the names, or meets the conditions, itself."""
        matched, found = "''", "1"
        if self._sought.names:
            matched, found = sql.matching(self._kinds) if self._kinds else ("''", "0")
        by_document = self._sought.names and not self._by_time and "source" not in self._kinds
        query = hop_sql.BY_DOCUMENT if by_document else hop_sql.BY_TIME
        where = _narrow.of_flows(self._sought.where)
        return self._statement(query, where, found=f"({found})", matched=matched)

    def _of_recorded(self) -> list[Statement]:
        """What is recorded to have been made of it."""
        narrowed = _narrow.of_flows(replace(self._sought.where, **dict.fromkeys(_NARROWING)))
        some = f"arrayExists(one -> {self._origin}, Origins)"
        derived = hop_sql.DERIVED_BY_TIME if self._by_time else hop_sql.DERIVED
        indexed = dict.fromkeys(self._of_origins(1)) if self._sought.names else ("1",)
        return [
            *(
                self._statement(derived, narrowed, found=f"{one} AND {some}", recorded=True)
                for one in indexed
            ),
            self._statement(hop_sql.FROM_CACHES, narrowed, found=some, recorded=True),
        ]

    def _follow(self, digests: Sequence[str]) -> None:
        made = set(digests)
        first = min(
            one.flow.time_ns for one in self._found.values() if one.flow.completion_digest in made
        )
        said = "has({digests:Array(String)}, CompletionDigest)"
        asked: dict[str, Any] = {"digests": list(digests), "first": first}
        self._take(
            self._statement(hop_sql.MADE, hop_sql.LATER, **asked),
            self._statement(hop_sql.FROM_CACHES, hop_sql.LATER, found=said, **asked),
        )

    def _of_origins(self, part: int) -> list[str]:
        """Of each kind: one name may be a document's in flows, and a source's in an origin."""
        kinds = dict.fromkeys([*self._kinds, *hop_sql.ANY_KIND])
        return [hop_sql.OF_ORIGINS[kind][part] for kind in kinds]

    @property
    def _origin(self) -> str:
        """The condition on an origin, called ``one``, that it is what is asked for."""
        where = self._sought.where.as_params()
        named = " OR ".join(dict.fromkeys(self._of_origins(0)))
        if not self._sought.names:
            narrowing = any(name in where for name in _NARROWING)
            named = "1" if narrowing else hop_sql.OF_ORIGINS["chunk"][0]
        also = [f"one.{name} = {{{name}:String}}" for name in _NARROWING if name in where]
        return " AND ".join([f"({named})", *also])

    def _statement(
        self,
        query: str,
        where: str,
        *,
        found: str = "1",
        matched: str = "NULL",
        recorded: bool = False,
        **asked: Any,
    ) -> Statement:
        known = sorted(self._recorded) if len(self._recorded) <= MOST_KNOWN else []
        places = {"matched": matched, "origin": self._origin, "found": found, "where": where}
        places["texts"] = "[]" if self._sought.names else "Origins.digest"
        for place, text in places.items():
            query = query.replace(f"{{{place}}}", text)
        return Statement(query, {**self._params, **asked, "known": known}, recorded)

    def _take(self, *statements: Statement) -> set[str]:
        """Keep what they find; gives the digests of what is asked for from now on."""
        texts: set[str] = set()
        if len(self._found) > self._limit:
            return texts
        for statement, rows in zip(statements, self._rows.read(*statements), strict=True):
            for row in rows:
                texts.update((row.flow.digest, *row.texts))
                told = [OriginRow.from_json({**_BLANK, **origin}) for origin in row.origins]
                one = _found(row.flow, row.matched, told, statement.recorded)
                if statement.recorded:
                    self._recorded.add((row.flow.time_ns, row.span, row.flow.ordinal))
                before = self._found.get(one.key)
                self._found[one.key] = one if before is None else before.joined(one)
        return texts


def _found(
    flow: ReachedFlow, matched: Matched | None, known: Iterable[OriginRow], recorded: bool
) -> Found:
    ordered = sorted(known, key=lambda one: place_of(one.evidence))
    carried = [one.carried for one in ordered]
    if matched is not None:
        carried.append(flow.carried)
    if flow.stage == CACHED:  # it is its own completion
        carried = [one.evidence for one in ordered]
    return Found(flow, matched, ordered[0] if ordered else None, surest(carried), recorded)
