"""Reach: what a text got into, derived texts included, and who read the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from ragtrace.forensics._outcome import Outcome, outcome, outcomes
from ragtrace.store import (
    GRADES,
    REACH_LIMIT,
    FlowFilter,
    Grade,
    Matched,
    ReachRow,
    Reader,
    Sought,
)

__all__ = ["Reach", "ReachCounts", "reach"]


@dataclass(frozen=True, slots=True)
class ReachCounts:
    """How far it got; each number counts what is distinct, over flows disclosed or used.

    Attributes:
        retrievals: Spans whose source returned it, whatever was decided then.
        prompts: Prompts it was in, by digest; by span where a tracer gave no digest.
        completions: Answers given to those prompts, or out of a cache.
        audiences: Names of the audiences, in order.
        models: Names of the models, in order.
        outcomes: Flows by what became of them, all flows.
    """

    retrievals: int
    prompts: int
    completions: int
    sessions: int
    users: int
    audiences: tuple[str, ...]
    models: tuple[str, ...]
    outcomes: dict[Outcome, int]

    def as_json(self) -> dict[str, Any]:
        """Give the counts by name."""
        return {name.name: getattr(self, name.name) for name in fields(self)}


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer to ``ragtrace reach``.

    Attributes:
        what: The question in a few words.
        matched: What the names were found to be; empty where nothing is called so.
        rows: Every flow, oldest first, each with the surest path to it.
        complete: False where there are more rows or hops than one answer holds; the counts are
            of ``rows`` then.
    """

    what: str
    matched: tuple[Matched, ...]
    rows: tuple[ReachRow, ...]
    complete: bool

    @property
    def counts(self) -> ReachCounts:
        """How far it got."""
        return _counts(self.rows)

    @property
    def direct(self) -> ReachCounts:
        """The same of steps that the very text was in."""
        return _counts(_of_steps(self.rows, lambda row: min(row.hop, 1), 0))

    @property
    def derived(self) -> ReachCounts:
        """The same of steps that only what was made of it was in."""
        return _counts(_of_steps(self.rows, lambda row: min(row.hop, 1), 1))

    @property
    def grades(self) -> dict[Grade, ReachCounts]:
        """The same by grade, each step by its surest."""
        return {
            grade: _counts(_of_steps(self.rows, lambda row: GRADES.index(row.grade), place))
            for place, grade in enumerate(GRADES)
        }

    @property
    def hops(self) -> int:
        """Of the longest path."""
        return max((row.hop for row in self.rows), default=0)

    def as_json(self, shown: Sequence[ReachRow] | None = None) -> dict[str, Any]:
        """Give the answer as one tree; each row says its outcome.

        Args:
            shown: Those of its rows that are in it; all of them, where that is not said.
        """
        rows = self.rows if shown is None else shown
        return {
            "what": self.what,
            "matched": list(self.matched),
            "counts": self.counts.as_json(),
            "direct": self.direct.as_json(),
            "derived": self.derived.as_json(),
            "grades": {grade: counts.as_json() for grade, counts in self.grades.items()},
            "hops": self.hops,
            "complete": self.complete,
            "rows": [{**row.as_json(), "outcome": outcome(row.flow)} for row in rows],
        }


_ALL: Final = FlowFilter()


def reach(
    store: Reader,
    what: str | Sequence[str] = (),
    limit: int = REACH_LIMIT,
    *,
    where: FlowFilter = _ALL,
) -> Reach:
    """Find what a text got into, and what was made of it got into, hop by hop.

    Args:
        store: What is asked.
        what: Names, any of which: a document id, chunk id, digest, URI or source. Without one,
            ``where`` says where to begin.
        limit: At most so many rows, the oldest first.
        where: Only flows like this to begin with: of a label, a user, a session, a time. What was
            made of them is followed wherever it went.

    Raises:
        StoreError: The store cannot be read.
    """
    sought = Sought(names=(what,) if isinstance(what, str) else tuple(what), where=where)
    found = store.reach(sought, limit)
    return Reach(
        what=_said(sought),
        matched=tuple(sorted({row.matched for row in found.rows} - {""})),
        rows=found.rows,
        complete=found.complete,
    )


def _said(sought: Sought) -> str:
    conditions = [f"{name}={value}" for name, value in sought.where.as_params().items()]
    return ", ".join([*sought.names, *conditions])


def _of_steps(
    rows: Sequence[ReachRow], kind: Callable[[ReachRow], int], wanted: int
) -> list[ReachRow]:
    """The rows of steps whose least ``kind`` is the one wanted: each step counts once."""
    least: dict[tuple[str, str], int] = {}
    for row in rows:
        step = row.flow.trace_id, row.flow.span_id
        least[step] = min(kind(row), least.get(step, kind(row)))
    return [row for row in rows if least[row.flow.trace_id, row.flow.span_id] == wanted]


def _counts(rows: Iterable[ReachRow]) -> ReachCounts:
    flows = [row.flow for row in rows]
    got_in = [flow for flow in flows if outcome(flow) in ("disclosed", "used")]
    prompts = [flow for flow in got_in if flow.stage == "prompt"]
    return ReachCounts(
        retrievals=len({(f.trace_id, f.span_id) for f in flows if f.stage == "retrieval"}),
        prompts=len({flow.prompt_digest or flow.span_id for flow in prompts}),
        completions=len({flow.completion_digest for flow in got_in} - {""}),
        sessions=len({flow.session for flow in got_in} - {""}),
        users=len({flow.user for flow in got_in} - {""}),
        audiences=tuple(sorted({flow.audience for flow in got_in} - {""})),
        models=tuple(sorted({flow.model for flow in got_in} - {""})),
        outcomes=outcomes(flows),
    )
