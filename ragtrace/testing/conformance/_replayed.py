"""Replayed: what was decided is decided again by the same policy, from what the spans say alone."""

from __future__ import annotations

from itertools import groupby

from ragtrace.forensics import judge_again, recorded
from ragtrace.policy import read_policy
from ragtrace.testing.conformance._stage import Stage

__all__ = ["check_replayed"]


def check_replayed(stage: Stage) -> None:
    """Every step that was judged can be judged again, and nothing of it is decided otherwise."""
    policy = read_policy(stage.policy)
    rows = sorted(stage.recorder.rows, key=lambda row: row.trace_id)
    for _, spans in groupby(rows, key=lambda row: row.trace_id):
        for again in judge_again(policy, {}, recorded(spans)):
            assert again.same, "a step was not judged by the policy that was given"
            assert not again.unjudged, f"a step cannot be judged again: {again.unjudged}"
            assert not again.defect, f"a step is decided otherwise: {again.as_json()}"
            both = [(again.before, again.after), *((f.before, f.after) for f in again.flows)]
            for then, now in both:
                assert then is not None and now is not None, "a step without a decision"
                assert then.reason == now.reason, (then.reason, now.reason)
