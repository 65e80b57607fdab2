"""What a policy would have decided about every stored flow, and that both ways agree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ragtrace.forensics import Candidate, what_if
from ragtrace.forensics._kind import judge_kind
from ragtrace.store import NOBODY, OWNER, Access, FlowFilter, Store
from tests.engine import flow, span, store

__all__ = ["store"]  # the fixture

POLICY = """\
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
otherwise: drop
rules:
  - id: wiki
    when: {source: "wiki/*", audience: [customer]}
    decide: block
"""


def candidate(folder: Path, text: str = POLICY) -> Candidate:
    """The policy, in a file."""
    path = folder / "candidate.yaml"
    path.write_text(text)
    return Candidate.read(path)


def fill(store: Store) -> None:
    """Flows of two sources, decided, in shadow, undecided, explained, derived."""
    free = {"level": "public", "compartments": []}
    staff = {"level": "staff_only", "compartments": []}
    behind = {"document": "d", "source": "wiki/a", "digest": "x", "level": "public"}
    store.write(
        [
            span(1, flow(0, **free, action="allow", rule="clearance")),
            span(2, flow(0, **free, source="wiki/a", action="allow", rule="clearance")),
            span(3, flow(0, **staff, action="drop", rule="otherwise")),
            span(4, flow(0, **staff, action="context_only", rule="notes")),
            span(5, flow(0, **staff, action="block", rule="x", mode="shadow")),
            span(6, flow(0, **staff, action="", rule="")),
            span(7, flow(0, **staff, action="allow", rule="explained")),
            span(8, flow(0, **free, source="completion", action="allow", origins=[behind])),
            span(
                9,
                flow(0, **staff, action="drop", rule="otherwise"),
                ragtrace__audience="staff",
                ragtrace__tenant="other",
            ),
            span(10, flow(0, **staff, action="allow", verdict="ambiguous", spans=[])),
        ]
    )


def test_what_changes_is_counted(store: Store, tmp_path: Path) -> None:
    """By what was enforced and what would be; explained flows stay as they are."""
    fill(store)
    found = what_if(store.seen_by(OWNER), candidate(tmp_path)).as_json()
    changes = Counter({(one["before"], one["after"]): one["flows"] for one in found["changes"]})
    assert changes == {
        ("allow", "block"): 2,  # the wiki, and what was made from it
        ("allow", "drop"): 3,  # in shadow, undecided, shared
        ("context_only", "drop"): 1,
        ("drop", "allow"): 1,  # staff
    }
    assert (found["flows"], found["judged"], found["settled"], found["left_out"]) == (10, 9, 1, 0)
    assert (found["newly_blocked"], found["newly_allowed"], found["shared"]) == (6, 1, 1)
    assert (found["sampled"], found["differences"]) == (9, [])
    rules = {one["name"]: (one["changed"], one["line"]) for one in found["by_rule"]}
    assert rules == {"otherwise": (4, 6), "wiki": (2, 8), "clearance": (1, 4)}
    assert {one["name"]: one["changed"] for one in found["by_audience"]} == {
        "customer": 6,
        "staff": 1,
    }
    assert json.loads(json.dumps(found)) == found


def test_only_what_the_reader_may_see_is_judged(store: Store, tmp_path: Path) -> None:
    """Of his tenants, through the filter; nobody is told a number."""
    fill(store)
    policy = candidate(tmp_path)
    other = Access("a", frozenset({"read"}), None, frozenset({"other"}))
    assert what_if(store.seen_by(other), policy).total == 1
    assert what_if(store.seen_by(NOBODY), policy).total == 0
    staff = FlowFilter(audience="staff")
    assert what_if(store.seen_by(OWNER), policy, staff).total == 1
    assert what_if(store.seen_by(OWNER), policy, FlowFilter(rule="notes")).total == 1


def test_conditions_that_sql_has_no_words_for_are_judged_here(store: Store, tmp_path: Path) -> None:
    """A rule in CEL: each kind of flow is judged once, in Python."""
    pytest.importorskip("celpy")
    fill(store)
    asks = "cel: \"source.startsWith('wiki/')\""
    text = POLICY.replace('source: "wiki/*", audience: [customer]', asks)
    both = what_if(store.seen_by(OWNER), candidate(tmp_path)).as_json()
    found = what_if(store.seen_by(OWNER), candidate(tmp_path, text)).as_json()
    assert found["engine"] == "python"
    for name in ("flows", "judged", "settled", "left_out", "newly_blocked", "newly_allowed"):
        assert found[name] == both[name], name


def test_a_disagreement_is_a_defect(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each flow of the sample about which the two ways differ is named."""
    fill(store)

    def wrong(policy: Any, kind: Any) -> tuple[str, str, str, str]:
        return ("block", "no", "", "") if kind.audience == "staff" else judge_kind(policy, kind)

    monkeypatch.setattr("ragtrace.forensics._what_if.judge_kind", wrong)
    (difference,) = what_if(store.seen_by(OWNER), candidate(tmp_path)).differences
    assert difference["trace_id"] == f"{9:032x}"
    assert difference["sql"][0] == "allow" and difference["python"][0] == "block"
