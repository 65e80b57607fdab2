"""Counts of days that are over are kept, and no answer shows that they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ragtrace.model import digest
from ragtrace.store import OWNER, Access, FlowFilter, Store, _days
from ragtrace.store._questions import Questions
from ragtrace.wire import SpanRecord
from tests.engine import START_NS, flow, span, store

__all__ = ["store"]  # the fixture

DAY_NS = _days.DAY_NS
MIDNIGHT_NS = START_NS // DAY_NS * DAY_NS
ACME = Access("acme", frozenset({"read"}), None, frozenset({"acme"}))
FILTERS = [
    FlowFilter(),
    FlowFilter(since=MIDNIGHT_NS + DAY_NS // 2, until=MIDNIGHT_NS + 3 * DAY_NS + 5),
    FlowFilter(since=MIDNIGHT_NS + DAY_NS, until=MIDNIGHT_NS + 3 * DAY_NS),
    FlowFilter(until=MIDNIGHT_NS + 2 * DAY_NS, level="public"),
    FlowFilter(audience="staff"),
    FlowFilter(document="doc-1"),
    FlowFilter(user="u3"),
]


def day(number: int, *spans: int, **change: Any) -> list[SpanRecord]:
    """Spans of one day, an hour apart, with two flows of two levels each."""
    audience = {"ragtrace__audience": "staff"} if number % 2 else {}
    return [
        replace(
            span(one, flow(0), flow(1, level="public", action="allow"), **audience | change),
            start_ns=MIDNIGHT_NS + number * DAY_NS + one * DAY_NS // 24,
        )
        for one in spans
    ]


def merge(store: Store) -> None:
    with store._engine.writing("test") as client:
        client.command("OPTIMIZE TABLE reached FINAL")


def agree(store: Store) -> None:
    """Each answer is that of a store which has kept nothing, twice."""
    for where in FILTERS:
        for access in (OWNER, ACME):
            fresh = Questions(store._engine, None, 1)
            edges, hours = fresh.edges(where, access=access), fresh.hours(where, access=access)
            for _ in range(2):
                assert store.edges(where, access=access) == edges
                assert store.hours(where, access=access) == hours
            flows = store.flows(where, access=access)
            assert sum(edge.flows for edge in edges) == len(flows)
            assert sum(hour.flows for hour in hours) == len(flows)


def asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The days over which something is counted from now on, for each statement."""
    counted: list[list[str]] = []
    rows = store._rows

    def listening(what: str, query: str, parameters: Any, access: Access, **more: Any) -> Any:
        if "_partition_id IN" in query:
            counted.append([one[-2:] for one in parameters["days"]])
        return rows(what, query, parameters, access, **more)

    monkeypatch.setattr(store, "_rows", listening)
    return counted


def test_days_that_are_over_are_counted_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is over later is counted alone; the newest is never kept."""
    store.write([one for number in range(3) for one in day(number, 1, 2)])
    merge(store)
    counted = asked(store, monkeypatch)
    for _ in range(3):
        assert sum(edge.flows for edge in store.edges(access=OWNER)) == 12
    assert counted == [["09", "10"]]
    store.write(day(3, 1))
    assert sum(edge.flows for edge in store.edges(access=OWNER)) == 14
    assert counted[1:] == [["11"]]


@pytest.mark.slow
def test_no_answer_shows_what_was_kept(store: Store) -> None:
    """Late, repeated, superseded, and withdrawn rows count as where nothing is kept."""
    store.write([one for number in range(5) for one in day(number, 1, 2, 3)])
    merge(store)
    agree(store)
    store.write(day(1, 2, 7) + day(0, 3))  # late, and once more
    agree(store)
    merge(store)
    agree(store)
    other = flow(0, level="partner")
    newer = {"ragtrace__observed": "9", "ragtrace__request__id": None, "ragtrace__tenant": "globex"}
    store.write([replace(one, attributes=span(2, other, **newer).attributes) for one in day(2, 2)])
    agree(store)
    with store._engine.writing("test") as client:
        client.command("DELETE FROM reached WHERE Document = 'doc-1' AND Level = 'public'")
        client.command("DELETE FROM flows WHERE Document = 'doc-1' AND Level = 'public'")
    agree(store)


def test_what_is_kept_is_told_to_nobody_else(store: Store) -> None:
    """A tenant's counts are of its own rows, whoever asked before."""
    store.write([*day(0, 1), *day(0, 2, ragtrace__tenant="globex"), *day(1, 3)])
    merge(store)
    for access, flows in [(OWNER, 6), (ACME, 4), (OWNER, 6)]:
        assert sum(edge.flows for edge in store.edges(access=access)) == flows


def test_a_prompt_counts_once_a_day(store: Store) -> None:
    """The same prompt of two spans is one; on another day it is another."""
    same = {"ragtrace__prompt__digest": digest("same")}
    store.write([*day(0, 1, 2, **same), *day(2, 3, **same), *day(4, 4, ragtrace__audience="x")])
    for where in (FlowFilter(audience="customer"), FlowFilter(rule="staff-notes")):
        found = store.edges(replace(where, level="staff_only"), access=OWNER)
        assert {edge.audience: edge.prompts for edge in found}["customer"] == 2


def test_a_moment_without_a_date_is_in_no_other_period(store: Store) -> None:
    """The engine's days end in 2149, and a later moment lies in the partition of another."""
    far = MIDNIGHT_NS + 65_536 * DAY_NS
    store.write([*day(0, 1), *day(1, 2), replace(span(3, flow()), start_ns=far)])
    merge(store)
    month = FlowFilter(since=MIDNIGHT_NS, until=MIDNIGHT_NS + 30 * DAY_NS)
    assert sum(edge.flows for edge in store.edges(month, access=OWNER)) == 4
    assert sum(edge.flows for edge in store.edges(access=OWNER)) == 5


def test_what_is_kept_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In questions, of which the last asked stay, and in rows."""
    store.write([*day(0, 1), *day(1, 2)])
    monkeypatch.setattr(_days, "MOST_KEPT", 2)
    for name in "abcd":
        store.edges(FlowFilter(audience=name), access=OWNER)
    assert len(store._days._kept) == 2
    monkeypatch.setattr(_days, "MOST_ROWS", 0)
    counted = asked(store, monkeypatch)
    for _ in range(2):
        assert store.edges(FlowFilter(tenant="acme"), access=OWNER)
    assert len(counted) == 2
