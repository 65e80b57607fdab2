"""The month of spans that the benches ask about."""

from __future__ import annotations

from collections import defaultdict

from ragtrace.store import OWNER, FlowFilter, FlowRow, Store
from ragtrace.testing.store import fill
from tests.engine import store

__all__ = ["store"]  # the fixture

SPANS = 2_000


def test_an_answer_that_is_met_again_is_of_what_was_shown_before(store: Store) -> None:
    """Its origins are the documents of the prompt it was said to, and of the answer in that one."""
    fill(store, SPANS, lambda done: None, derived=True, texts=False)
    flows = store.flows(FlowFilter(stage="prompt"), 100_000, access=OWNER)
    by_answer: dict[str, list[FlowRow]] = defaultdict(list)
    for one in flows:
        by_answer[one.completion_digest].append(one)
    derived = [one for one in flows if one.source == "completion"]
    assert SPANS / 40 < len(derived) < SPANS / 8
    chained = 0
    for one in derived:
        before = by_answer[one.digest]
        assert before and {flow.time_ns for flow in before} != {one.time_ns}
        direct = {flow.document for flow in before if flow.source != "completion"}
        behind = {origin.document for origin in one.origins}
        assert direct <= behind
        chained += direct < behind
    assert chained
    assert {flow.carried for flow in flows if flow.source != "completion"} >= {"certain", "taint"}


def test_without_answers_it_is_a_month_of_documents(store: Store) -> None:
    """No flow has origins, and no prompt says what its answer was made of."""
    fill(store, 200, lambda done: None, texts=False)
    flows = store.flows(limit=10_000, access=OWNER)
    assert len({flow.span_id for flow in flows}) == 200
    assert not any(flow.origins or flow.carried for flow in flows)
