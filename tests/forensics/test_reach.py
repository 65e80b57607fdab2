"""What forensics says of the store's answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ragtrace.forensics import Outcome, outcome, outcomes, reach, trace
from ragtrace.model import digest
from ragtrace.store import OWNER, FlowRow, Store
from tests.engine import flow, span, store

__all__ = ["store"]  # the fixture


def row(**change: Any) -> FlowRow:
    """A flow that was in a prompt, allowed, and answered."""
    empty: dict[str, Any] = dict.fromkeys(FlowRow.__slots__, "")
    said = {"stage": "prompt", "action": "allow", "completion_digest": "c", "blocked": False}
    return FlowRow(**empty | said | change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "disclosed"),
        ({"action": ""}, "disclosed"),
        ({"verdict": "ambiguous"}, "disclosed"),
        ({"action": "drop", "mode": "shadow"}, "disclosed"),
        ({"action": "context_only"}, "used"),
        ({"action": "redact"}, "kept_out"),
        ({"completion_digest": ""}, "used"),
        ({"action": "drop"}, "kept_out"),
        ({"action": "block"}, "kept_out"),
        ({"blocked": True}, "kept_out"),
        ({"stage": "retrieval"}, "retrieved"),
        ({"stage": "retrieval", "action": "drop"}, "kept_out"),
        ({"verdict": "none"}, "retrieved"),
    ],
)
def test_an_outcome_follows_from_what_was_enforced(
    change: dict[str, Any], expected: Outcome
) -> None:
    """Shadow decisions keep nothing out; a blocked prompt keeps all of it out."""
    assert outcome(row(**change)) == expected
    assert outcomes([row(**change)])[expected] == 1


def test_reach_counts_people_not_rows(store: Store) -> None:
    """Prompts, completions, sessions, users and audiences are distinct, of what got in."""
    allowed, kept = flow(0, action="allow"), flow(0)
    again = {"session__id": "s1", "user__id": "u1", "ragtrace__prompt__digest": digest("prompt 1")}
    store.write(
        [
            span(1, allowed, flow(1, document="doc-0", action="context_only")),
            span(2, allowed, **again),
            span(3, allowed, ragtrace__audience="staff"),
            span(4, kept, ragtrace__audience="partner"),
            span(5, kept, ragtrace__stage="retrieval"),
        ]
    )
    found = reach(store.seen_by(OWNER), "doc-0")
    assert found.matched == ("document",)
    assert found.complete
    assert found.counts.as_json() == {
        "retrievals": 1,
        "prompts": 2,
        "completions": 3,
        "sessions": 2,
        "users": 2,
        "audiences": ("customer", "staff"),
        "models": (),
        "outcomes": {"disclosed": 3, "used": 1, "kept_out": 2, "retrieved": 0},
    }
    tree = json.loads(json.dumps(found.as_json()))
    assert [item["outcome"] for item in tree["rows"]].count("disclosed") == 3


def test_reach_says_when_it_is_not_complete(store: Store) -> None:
    """An answer cut at its limit never looks whole."""
    store.write([span(n, flow()) for n in range(1, 4)])
    assert [reach(store.seen_by(OWNER), "doc-0", limit).complete for limit in (2, 3, 4)] == [
        False,
        True,
        True,
    ]
    assert reach(store.seen_by(OWNER), "unheard of").matched == ()


def test_a_trace_reads_from_the_top(store: Store) -> None:
    """Parents before children, siblings by start, orphans and loops still there."""
    parents = {1: "", 2: 1, 3: 1, 4: 2, 5: 99, 6: 7, 7: 6}
    store.write(
        [
            replace(
                span(number, flow()),
                trace_id="ab" * 16,
                parent_span_id=f"{parent:016x}" if parent else "",
            )
            for number, parent in parents.items()
        ]
    )
    view = trace(store.seen_by(OWNER), "abab")
    order = [(int(step.span.span_id, 16), step.depth) for step in view.steps]
    assert order == [(1, 0), (2, 1), (4, 2), (3, 1), (5, 0), (6, 0), (7, 1)]
    assert all(len(step.flows) == 1 for step in view.steps)
    assert view.users == tuple(f"u{n}" for n in range(1, 8))
    assert json.loads(json.dumps(view.as_json()))["outcomes"]["kept_out"] == 7
