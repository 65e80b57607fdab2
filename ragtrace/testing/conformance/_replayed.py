"""Replayed: what was decided is decided again by the same policy, from what the spans say alone."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from ragtrace.forensics import judge_again, recorded
from ragtrace.policy import read_policy
from ragtrace.testing.conformance._stage import Stage

__all__ = ["check_replayed"]

ELSEWHERE: Final = "that is not in this trace"


def check_replayed(stage: Stage, *, apart: bool) -> None:
    """Every step that was judged can be judged again, and nothing of it is decided otherwise.

    Args:
        stage: What was recorded.
        apart: Whether the steps of a turn may be in traces of their own, as where nobody has
            opened a request and a stream goes on without who began it: what one trace blocked
            cannot be judged again in another then.
    """
    policy = read_policy(stage.policy)
    rows = sorted(stage.recorder.rows, key=lambda row: row.trace_id)
    for _, spans in groupby(rows, key=lambda row: row.trace_id):
        for again in judge_again(policy, {}, recorded(spans)):
            assert again.same, "a step was not judged by the policy that was given"
            assert not again.defect, f"a step is decided otherwise: {again.as_json()}"
            if apart and ELSEWHERE in again.unjudged:
                continue
            assert not again.unjudged, f"a step cannot be judged again: {again.unjudged}"
            both = [(again.before, again.after), *((f.before, f.after) for f in again.flows)]
            for then, now in both:
                assert then is not None and now is not None, "a step without a decision"
                assert then.reason == now.reason, (then.reason, now.reason)
