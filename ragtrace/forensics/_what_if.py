"""What if: every stored flow under a policy that is not in force yet."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, get_args

from ragtrace.errors import PolicyFileError
from ragtrace.forensics._candidate import Candidate
from ragtrace.forensics._kind import judge_kind
from ragtrace.model import Action
from ragtrace.policy import TOLD_BEFORE, FailureKind, PolicySql, policy_as_sql
from ragtrace.store import FlowFilter, FlowKind, JudgedFlow, JudgedRow, Judging

__all__ = ["SAMPLE", "Judged", "WhatIf", "what_if"]

SAMPLE: Final = 1000
"""Flows that are judged in Python as well: a fault in one of 300 is missed once in 28 times."""

TOP: Final = 20
"""Rules, and traces as examples, of one answer."""

SETTLED: Final = (
    "explained",
    "template",
    "short-run",
    TOLD_BEFORE,
    *sorted(set(get_args(FailureKind)) - {"unknown-level", "unknown-audience"}),
)
"""Rules of decisions that follow from what else was in the prompt, from what was told before, or
from a failure: no policy is asked about a flow by itself there, so another one changes nothing."""

_KEPT_OUT: Final = frozenset({Action.REDACT, Action.DROP, Action.BLOCK})

_ALL: Final = FlowFilter()


class Judged(Protocol):
    """What judges flows where they are stored; ``Seen`` does."""

    def judged(
        self, judging: Judging, settled: Sequence[str], where: FlowFilter = ...
    ) -> list[JudgedRow]:
        """How many flows of each sort there are under ``judging``."""

    def judged_sample(
        self,
        judging: Judging,
        settled: Sequence[str],
        where: FlowFilter = ...,
        *,
        limit: int,
        every: int,
        seed: int,
    ) -> list[JudgedFlow]:
        """Some flows at random, each with what ``judging`` decides about it."""

    def judged_kinds(
        self, settled: Sequence[str], where: FlowFilter = ...
    ) -> list[tuple[JudgedRow, FlowKind]]:
        """The kinds of flows that there are, to be judged elsewhere."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer to ``ragtrace whatif``.

    Attributes:
        candidate: As if it were enforced, also where it is in shadow mode.
        rows: Flows by what was enforced and what would be; those that no policy is asked about
            have no ``after``.
        engine: Whether the policy was judged as SQL, or in Python, kind by kind.
        total: Flows that pass the filter.
        sampled: Flows that were judged both ways.
        differences: Those of them about which the two ways do not agree.
    """

    candidate: Candidate
    rows: tuple[JudgedRow, ...]
    engine: str
    total: int
    sampled: int
    differences: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Give the answer as one tree."""
        asked = [row for row in self.rows if row.after]
        changed = [row for row in asked if row.after != row.before]
        settled = sum(row.flows for row in self.rows if not row.after)
        moves = Counter[tuple[str, str]]()
        for row in changed:
            moves[row.before, row.after] += row.flows
        return {
            "policy": {"name": self.candidate.name, "digest": self.candidate.policy.digest},
            "engine": self.engine,
            "flows": self.total,
            "judged": sum(row.flows for row in asked),
            "settled": settled,
            "left_out": self.total - settled - sum(row.flows for row in asked),
            "newly_blocked": sum(row.flows for row in changed if _newly_blocked(row)),
            "newly_allowed": sum(row.flows for row in changed if _newly_allowed(row)),
            "shared": sum(row.flows for row in changed if row.shared),
            "changes": [
                {"before": before, "after": after, "flows": flows}
                for (before, after), flows in moves.most_common()
            ],
            "by_source": _by(changed, lambda row: row.source),
            "by_audience": _by(changed, lambda row: row.audience),
            "by_app": _by(changed, lambda row: row.service),
            "by_rule": [
                {**one, "line": self.candidate.lines.get(one["name"])}
                for one in _by(changed, lambda row: row.rule)
            ],
            "samples": [_example(row) for row in changed[:TOP]],
            "sampled": self.sampled,
            "differences": list(self.differences),
        }


def what_if(
    store: Judged, candidate: Candidate, where: FlowFilter = _ALL, *, sample: int = SAMPLE
) -> WhatIf:
    """Judge every stored flow under ``candidate``, and hold what was enforced against it.

    Each flow is judged by itself: by its recorded label, audience, source, document and origins.
    That passages are shared, explained by others or too short is as it was recorded.

    Args:
        store: Judges where the flows are.
        candidate: Decides, enforced.
        where: Only such flows.
        sample: How many flows are judged by the Python judge as well.

    Raises:
        StoreError: The store cannot be read.
    """
    policy = replace(candidate.policy, mode="enforce")
    try:
        sql = policy_as_sql(policy, candidate.name)
    except PolicyFileError:
        return _in_python(store, candidate, where)
    rows = store.judged(sql, SETTLED, where)
    total = sum(row.flows for row in rows)
    drawn = _drawn(store, sql, where, total, sample)
    differences = [
        {
            "trace_id": flow.trace_id,
            "span_id": flow.span_id,
            "ordinal": flow.ordinal,
            "sql": list(flow.decision),
            "python": list(said),
        }
        for flow in drawn
        if (said := judge_kind(policy, flow.kind)) != flow.decision
    ]
    return WhatIf(candidate, tuple(rows), "sql", total, len(drawn), tuple(differences))


def _drawn(
    store: Judged, sql: PolicySql, where: FlowFilter, total: int, sample: int
) -> list[JudgedFlow]:
    if not sample:
        return []
    every = max(1, total // (2 * sample))  # about twice as many, of which the first are taken
    seed = secrets.randbits(63)
    return store.judged_sample(sql, SETTLED, where, limit=sample, every=every, seed=seed)


def _in_python(store: Judged, candidate: Candidate, where: FlowFilter) -> WhatIf:
    """A policy with conditions in CEL or Cedar: each kind of flow is judged once, here."""
    policy = replace(candidate.policy, mode="enforce")
    nothing = PolicySql("('', '', '', '')", {})
    rows = store.judged(nothing, SETTLED, where)
    total = sum(row.flows for row in rows)
    settled = [row for row in rows if row.rule_before in SETTLED]
    made = []
    for row, kind in store.judged_kinds(SETTLED, where):
        action, rule, *_ = judge_kind(policy, kind)
        made.append(replace(row, after=action, rule=rule))
    return WhatIf(candidate, (*made, *settled), "python", total, 0, ())


def _newly_blocked(row: JudgedRow) -> bool:
    return Action(row.after) in _KEPT_OUT and Action(row.before) not in _KEPT_OUT


def _newly_allowed(row: JudgedRow) -> bool:
    return Action(row.after) not in _KEPT_OUT and Action(row.before) in _KEPT_OUT


def _by(rows: Iterable[JudgedRow], name: Callable[[JudgedRow], str]) -> list[dict[str, Any]]:
    """Changed flows by name, the most first."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        one = counts.setdefault(name(row), [0, 0, 0])
        one[0] += row.flows
        one[1] += row.flows * _newly_blocked(row)
        one[2] += row.flows * _newly_allowed(row)
    most = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))[:TOP]
    return [
        {"name": called, "changed": changed, "newly_blocked": blocked, "newly_allowed": allowed}
        for called, (changed, blocked, allowed) in most
    ]


def _example(row: JudgedRow) -> dict[str, Any]:
    names = ("trace_id", "source", "audience", "service", "before", "rule_before", "after", "rule")
    return {name: getattr(row, name) for name in names} | {"flows": row.flows}
