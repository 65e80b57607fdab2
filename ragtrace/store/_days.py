"""Days: what was counted of days that are over, good for as long as their parts are the same.

The engine never changes a part: rows that come late, a merge, a withdrawal and a retention each
make another, of another name. A day in one part is therefore counted once, and what is kept is
right whoever writes; any other day is counted at every question.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ragtrace.store import _narrow
from ragtrace.store import _queries as sql
from ragtrace.store._access import Access
from ragtrace.store._lists import Ask
from ragtrace.store._reader import FlowFilter

__all__ = ["Days"]

MOST_KEPT: Final = 32
"""Questions whose counts are kept: the map and the hours of some callers, filters and periods."""
MOST_ROWS: Final = 10_000
"""Rows of the counts of one question; some 5 MB. Longer ones are counted anew."""
DAY_NS: Final = 86_400 * 10**9
UNKEPT: Final = frozenset({"document", *sql.ONLY_IN_FLOWS})
"""Conditions that leave little to count, or that are asked of another table."""

Rows = dict[tuple[Any, ...], tuple[Any, ...]]
"""Counts by what they are of."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted, and in which part of each day."""

    parts: Mapping[str, str]
    rows: Rows


_NOTHING: Final = _Counted({}, {})


class Days:
    """Counts flows, and keeps what it counted of days that are over; safe to use from threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._kept: OrderedDict[object, _Counted] = OrderedDict()

    def count(
        self, ask: Ask, counts: sql.Counts, where: FlowFilter, access: Access
    ) -> list[tuple[Any, ...]]:
        """Give the rows of ``counts`` over the flows of ``where``, in order.

        Args:
            ask: Asks as the caller.
            counts: What is counted.
            where: Of which flows.
            access: The caller: what is kept of one is told to no other.
        """
        given = where.as_params()
        query = sql.counting(counts.query, given)
        condition = _narrow.of_flows(where)
        if not UNKEPT.isdisjoint(given):
            return ask(query.replace("{where}", condition), given)
        over = self._over(ask, counts, query, where, access)
        live = f"_partition_id NOT IN {{days:Array(String)}} AND {condition}"
        found = ask(query.replace("{where}", live), {**given, "days": sorted(over.parts)})
        rows = _together(over.rows, found, counts)
        return [(*of, *rows[of]) for of in sorted(rows)]

    def _over(
        self, ask: Ask, counts: sql.Counts, query: str, where: FlowFilter, access: Access
    ) -> _Counted:
        """The counts of the days in one part that are wholly in the period."""
        whole = _whole_days(where)
        key = (query, whole, access)
        parts = _still(ask, whole)
        with self._turn:
            kept = self._kept.get(key, _NOTHING)
        if not kept.parts.items() <= parts.items():
            kept = _NOTHING
        new = sorted(parts.keys() - kept.parts.keys())
        if new:
            # The period too: a moment that the engine has no date for lies in some other day.
            days = f"_partition_id IN {{days:Array(String)}} AND {_narrow.of_flows(whole)}"
            found = ask(query.replace("{where}", days), {**whole.as_params(), "days": new})
            kept = _Counted(parts, _together(kept.rows, found, counts))
            if _still(ask, whole) != parts:
                return kept  # some came meanwhile: as of now, and not to be kept
        self._keep(key, kept)
        return kept

    def _keep(self, key: object, counted: _Counted) -> None:
        if len(counted.rows) > MOST_ROWS:
            return
        with self._turn:
            self._kept[key] = counted
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


def _whole_days(where: FlowFilter) -> FlowFilter:
    """The same from the beginning of the first whole day to the end of the last."""
    since, until = where.since, where.until
    return replace(
        where,
        since=None if since is None else -(-since // DAY_NS) * DAY_NS,
        until=None if until is None else until // DAY_NS * DAY_NS,
    )


def _still(ask: Ask, whole: FlowFilter) -> dict[str, str]:
    """The part of each day of a period that is in one part alone.

    The newest day of all is not over, though it may be in one part for a moment.
    """
    days = ask(sql.DAYS, {})
    newest = max((start for _, start, _, _ in days), default=0)
    return {
        day: part
        for day, start, parts, part in days
        if parts == 1
        and start < newest
        and (whole.since is None or whole.since <= start)
        and (whole.until is None or start < whole.until)
    }


def _together(counted: Rows, found: Iterable[tuple[Any, ...]], counts: sql.Counts) -> Rows:
    rows = dict(counted)
    width = len(counts.together)
    for row in found:
        of, more = row[:-width], row[-width:]
        there = rows.get(of)
        rows[of] = more if there is None else _added(counts.together, there, more)
    return rows


def _added(
    together: Iterable[Callable[[Any, Any], Any]], one: tuple[Any, ...], other: tuple[Any, ...]
) -> tuple[Any, ...]:
    return tuple(add(a, b) for add, a, b in zip(together, one, other, strict=True))
