"""Reach: what a document, chunk, digest, URI or source got into, and who read the answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from ragtrace.forensics._outcome import Outcome, outcome, outcomes
from ragtrace.store import REACH_LIMIT, FlowFilter, FlowRow, Matched, Place, ReachRow, Reader

__all__ = ["Reach", "ReachCounts", "reach"]


@dataclass(frozen=True, slots=True)
class ReachCounts:
    """How far it got; each number counts what is distinct, over flows disclosed or used.

    Attributes:
        retrievals: Spans whose source returned it, whatever was decided then.
        prompts: Prompts it was in, by digest; by span where a tracer gave no digest.
        completions: Answers given to those prompts.
        audiences: Names of the audiences, in order.
        outcomes: Flows by what became of them, all flows.
    """

    retrievals: int
    prompts: int
    completions: int
    sessions: int
    users: int
    audiences: tuple[str, ...]
    outcomes: dict[Outcome, int]

    def as_json(self) -> dict[str, Any]:
        """Give the counts by name."""
        return {name.name: getattr(self, name.name) for name in fields(self)}


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer to ``ragtrace reach``.

    Attributes:
        matched: What the word was found to be; empty where nothing is called so.
        rows: Every flow, oldest first.
        complete: False where there is more than one answer can hold; the counts are of
            ``rows`` then.
    """

    what: str
    matched: tuple[Matched, ...]
    counts: ReachCounts
    rows: tuple[ReachRow, ...]
    complete: bool

    def as_json(self) -> dict[str, Any]:
        """Give the answer as one tree; each row says its outcome."""
        return {
            "what": self.what,
            "matched": list(self.matched),
            "counts": self.counts.as_json(),
            "complete": self.complete,
            "rows": [{**row.as_json(), "outcome": outcome(row.flow)} for row in self.rows],
        }


_ALL: Final = FlowFilter()


def reach(
    store: Reader,
    what: str,
    limit: int = REACH_LIMIT,
    *,
    where: FlowFilter = _ALL,
    after: Place | None = None,
) -> Reach:
    """Find every retrieval that returned ``what`` and every prompt it was found in.

    Args:
        store: What is asked.
        what: A document id, chunk id, digest, URI or source.
        limit: At most so many rows, the oldest first.
        where: Only such flows.
        after: Behind which row to begin.

    Raises:
        StoreError: The store cannot be read.
    """
    found = store.reach(what, limit + 1, where=where, after=after)
    rows = tuple(found[:limit])
    return Reach(
        what=what,
        matched=tuple(sorted({row.matched for row in rows})),
        counts=_counts([row.flow for row in rows]),
        rows=rows,
        complete=len(found) <= limit,
    )


def _counts(flows: list[FlowRow]) -> ReachCounts:
    got_in = [flow for flow in flows if outcome(flow) in ("disclosed", "used")]
    return ReachCounts(
        retrievals=len({(f.trace_id, f.span_id) for f in flows if f.stage == "retrieval"}),
        prompts=len({flow.prompt_digest or flow.span_id for flow in got_in}),
        completions=len({flow.completion_digest for flow in got_in} - {""}),
        sessions=len({flow.session for flow in got_in} - {""}),
        users=len({flow.user for flow in got_in} - {""}),
        audiences=tuple(sorted({flow.audience for flow in got_in} - {""})),
        outcomes=outcomes(flows),
    )
