"""Hops: the walk of reach, from a text to what was made of it, a set of texts at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ragtrace.store import _hop_sql as hop_sql
from ragtrace.store import _narrow
from ragtrace.store import _queries as sql
from ragtrace.store._lists import Ask
from ragtrace.store._reached import Matched, Reached, ReachedFlow, Sought
from ragtrace.store._rows import OriginRow
from ragtrace.store._sweep import CACHED, Found, hands_on, place_of, surest, swept

__all__ = ["MOST_HOPS", "Walk"]

MOST_HOPS: Final = 32
"""Times a text may be made anew on the way: far more than any conversation or agent does."""
MOST_TEXTS: Final = 1_000
"""Digests of one statement, whose parameters a server takes in the address."""
MOST_MOMENTS: Final = 5_000
"""Moments of one statement, of 20 characters each."""

_NARROWING: Final = ("document", "source", "level")
"""Conditions that an origin may meet in place of the text that was made of it."""
_ONLY_BY_TIME: Final = ("session", "user")
"""Conditions for which the flows have to be asked that are in order of time."""
_BLANK: Final = {
    "compartments": (), "for_readers": False, "readers": (), "integrity": "trusted", "carried": "",
}  # fmt: skip
"""What reach does not ask of an origin."""

Step = tuple[int, int]
"""The moment at which a step began, and its hash."""


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
        self._steps: dict[Step, tuple[Any, ...]] = {}
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
        seeds = hop_sql.BY_DOCUMENT if names and not self._by_time else hop_sql.BY_TIME
        digests = self._take(seeds, _narrow.of_flows(where), found=f"({found})", matched=matched)
        self._params["chunks"] = sorted(digests)[:MOST_TEXTS]
        if not names and not any(getattr(where, name) is not None for name in _NARROWING):
            return
        narrowed = _narrow.of_flows(replace(where, **dict.fromkeys(_NARROWING)))
        some = f"arrayExists(one -> {self._origin}, Origins)"
        derived = hop_sql.DERIVED_BY_TIME if self._by_time else hop_sql.DERIVED
        for indexed in dict.fromkeys(self._of_origins(1)) if names else ("1",):
            self._take(derived, narrowed, found=f"{indexed} AND {some}", recorded=True)
        self._take(hop_sql.FROM_CACHES, narrowed, found=some, recorded=True)

    def _follow(self, digests: Sequence[str]) -> None:
        made = "has({digests:Array(String)}, CompletionDigest)"
        known = sorted(self._recorded) if len(self._recorded) <= MOST_MOMENTS else []
        self._take(hop_sql.MADE, "1", digests=digests, known=known)
        self._take(hop_sql.FROM_CACHES, "1", found=made, digests=digests)

    def _of_origins(self, part: int) -> list[str]:
        return [hop_sql.OF_ORIGINS[kind][part] for kind in self._kinds or hop_sql.ANY_KIND]

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

    def _take(
        self,
        query: str,
        where: str,
        *,
        found: str = "1",
        matched: str = "NULL",
        recorded: bool = False,
        digests: Sequence[str] = (),
        known: Sequence[tuple[int, int, int]] = (),
    ) -> set[str]:
        """Run a statement, and keep what it finds; gives the digests of what is asked for then."""
        places = {"matched": matched, "origin": self._origin, "found": found, "where": where}
        places["texts"] = "[]" if self._sought.names else "Origins.digest"
        for place, text in places.items():
            query = query.replace(f"{{{place}}}", text)
        if len(self._found) > self._limit:
            return set()
        asked = {**self._params, "digests": list(digests), "known": list(known)}
        of: set[str] = set()
        for flow, span, of_what, origins, texts in self._counting(query, asked):
            of.update((flow.digest, *texts))
            told = [OriginRow.from_json({**_BLANK, **origin}) for origin in origins]
            one = _found(flow, of_what, told, recorded)
            if recorded:
                self._recorded.add((flow.time_ns, span, flow.ordinal))
            before = self._found.get(one.key)
            self._found[one.key] = one if before is None else before.joined(one)
        return of

    def _counting(self, query: str, asked: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
        """The rows that count, each once, and where there are as many, one more than the limit.

        A row may come twice, and of a step that was told again since the rows from before do not
        count: where that leaves too few, more are asked for.
        """
        limit = self._limit + 1
        while True:
            rows = self._ask(query, {**asked, "limit": limit})
            self._read_steps({row[0] for row in rows})
            counting: dict[tuple[Any, ...], tuple[Any, ...]] = {}
            for *columns, edge, span, version, of_what, origins, texts in rows:
                newest, *said = self._steps.get((columns[0], span), (None,))
                if newest == version:
                    flow = ReachedFlow(*columns, *edge, *said)
                    counting[columns[0], span, columns[1]] = (flow, span, of_what, origins, texts)
            if len(rows) < limit or len(counting) > self._limit:
                return counting.values()
            limit *= 2

    def _read_steps(self, moments: set[int]) -> None:
        """Read what the flows of each step share, of steps that were not met before."""
        new = sorted(moments - {moment for moment, _ in self._steps})
        for start in range(0, len(new), MOST_MOMENTS):
            asked = {"moments": new[start : start + MOST_MOMENTS]}
            for moment, span, version, (*told, refused) in self._ask(hop_sql.STEPS, asked):
                if version >= self._steps.get((moment, span), (0,))[0]:
                    self._steps[moment, span] = (version, *told, bool(refused))


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
