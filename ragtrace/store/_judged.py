"""Judged: every stored flow under an expression that decides, where the flows are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ragtrace.store import _narrow
from ragtrace.store._lists import Ask
from ragtrace.store._queries import columns_of
from ragtrace.store._reader import FlowFilter
from ragtrace.store._rows import Row

__all__ = [
    "KINDS_LIMIT",
    "FlowKind",
    "JudgedFlow",
    "JudgedRow",
    "Judging",
    "judged",
    "judged_kinds",
    "judged_sample",
]

KINDS_LIMIT: Final = 200_000
"""Kinds of flows of one answer; some 100 MB. What is of others is left out and counted."""


class Judging(Protocol):
    """An expression that decides; ``ragtrace.policy.PolicySql`` has it."""

    @property
    def decision(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class JudgedRow(Row):
    """Flows that agree in all of this.

    Attributes:
        before: What was enforced: ``allow`` where nobody decided, or in shadow.
        rule_before: By which rule.
        shared: Whether other chunks have what was found, and nothing tells them apart.
        after: What is decided now; empty for what ``settled`` says.
        rule: By which rule.
        trace_id: Of one of them.
    """

    source: str
    audience: str
    service: str
    before: str
    rule_before: str
    shared: bool
    after: str
    rule: str
    flows: int
    trace_id: str


@dataclass(frozen=True, slots=True)
class FlowKind(Row):
    """All that a decision about a flow by itself depends on.

    Attributes:
        origins: ``(document, source, digest, level, compartments, for_readers, readers,
            integrity, evidence, carried)`` of each.
    """

    source: str
    document: str
    level: str
    compartments: tuple[str, ...]
    for_readers: bool
    readers: tuple[str, ...]
    integrity: str
    origins: tuple[tuple[Any, ...], ...]
    released: str
    audience: str
    tenant: str
    user: str


@dataclass(frozen=True, slots=True)
class JudgedFlow(Row):
    """One flow, with what is decided about it now: action, rule, and the same in shadow."""

    trace_id: str
    span_id: str
    ordinal: int
    kind: FlowKind
    decision: tuple[str, str, str, str]


_BEFORE: Final = "if(Mode = 'shadow' OR Action = '', 'allow', Action)"
_SETTLED: Final = "(Mode != 'shadow' AND Rule IN {settled:Array(String)})"
_SHARED: Final = "Stage = 'prompt' AND Verdict = 'ambiguous'"
_KIND: Final = columns_of(FlowKind)

JUDGED: Final = f"""
SELECT Source, Audience, ServiceName, before, Rule, shared, said.1, said.2, count(), any(TraceId)
FROM (
    SELECT Source, Audience, ServiceName, {_BEFORE} AS before, Rule, {_SHARED} AS shared, TraceId,
        if({_SETTLED}, ('', '', '', ''), {{decision}}) AS said
    FROM flows FINAL WHERE {{may_flows}} AND {{where}}
)
GROUP BY Source, Audience, ServiceName, before, Rule, shared, said.1, said.2
ORDER BY count() DESC, Source, Audience, ServiceName, before, Rule, shared, said.1, said.2
"""

SAMPLE: Final = f"""
SELECT TraceId, SpanId, Ordinal, {_KIND}, {{decision}}
FROM flows FINAL WHERE {{may_flows}} AND {{where}} AND NOT {_SETTLED}
AND sipHash64(SpanId, Ordinal, {{seed:UInt64}}) % {{every:UInt64}} = 0
ORDER BY sipHash64(SpanId, Ordinal, {{seed:UInt64}}), TraceId
LIMIT {{limit:UInt32}}
"""

KINDS: Final = f"""
SELECT ServiceName, before, Rule, shared, count(), any(TraceId), {_KIND}
FROM (
    SELECT ServiceName, {_BEFORE} AS before, Rule, {_SHARED} AS shared, TraceId, {_KIND}
    FROM flows FINAL WHERE {{may_flows}} AND {{where}} AND NOT {_SETTLED}
)
GROUP BY ServiceName, before, Rule, shared, {_KIND}
ORDER BY count() DESC, {_KIND}
LIMIT {{limit:UInt32}}
"""


def judged(
    ask: Ask, judging: Judging, settled: Sequence[str], where: FlowFilter
) -> list[JudgedRow]:
    """Give how many flows of each sort there are, the most first.

    Args:
        ask: Asks as the caller.
        judging: Decides.
        settled: Rules whose decisions it is not asked about again.
        where: Of which flows.
    """
    query = JUDGED.replace("{decision}", judging.decision)
    rows = _asked(ask, query, where, {**judging.parameters, "settled": list(settled)})
    return [JudgedRow(*row) for row in rows]


def judged_sample(
    ask: Ask,
    judging: Judging,
    settled: Sequence[str],
    where: FlowFilter,
    *,
    limit: int,
    every: int,
    seed: int,
) -> list[JudgedFlow]:
    """Give some flows at random, with what is decided about each.

    Args:
        ask: Asks as the caller.
        judging: Decides.
        settled: Rules whose flows are left out.
        where: Of which flows.
        limit: How many at most.
        every: About one of so many is drawn from.
        seed: Of the draw.
    """
    query = SAMPLE.replace("{decision}", judging.decision)
    drawn = {"settled": list(settled), "limit": limit, "every": every, "seed": seed}
    rows = _asked(ask, query, where, {**judging.parameters, **drawn})
    return [
        JudgedFlow(trace, span, ordinal, _kind(rest[:-1]), _frozen(rest[-1]))
        for trace, span, ordinal, *rest in rows
    ]


def judged_kinds(
    ask: Ask, settled: Sequence[str], where: FlowFilter, limit: int = KINDS_LIMIT
) -> list[tuple[JudgedRow, FlowKind]]:
    """Give the kinds of flows there are, to be judged elsewhere; each with its flows, undecided.

    Args:
        ask: Asks as the caller.
        settled: Rules whose flows are left out.
        where: Of which flows.
        limit: How many kinds at most, those of most flows first.
    """
    rows = _asked(ask, KINDS, where, {"settled": list(settled), "limit": limit})
    made = []
    for service, before, rule, shared, flows, trace_id, *rest in rows:
        kind = _kind(rest)
        row = JudgedRow(
            kind.source, kind.audience, service, before, rule, shared, "", "", flows, trace_id
        )
        made.append((row, kind))
    return made


def _asked(
    ask: Ask, query: str, where: FlowFilter, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    narrowed = query.replace("{where}", _narrow.of_flows(where))
    return ask(narrowed, {**where.as_params(), **parameters})


def _kind(row: Sequence[Any]) -> FlowKind:
    return FlowKind(*(_frozen(value) for value in row))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(map(_frozen, value.values()))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
