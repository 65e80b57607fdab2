"""Answers: the shapes of what the API gives, as its OpenAPI document shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fastapi import Response

from ragtrace.forensics import Outcome, Way
from ragtrace.store import (
    By,
    DecisionRow,
    FlowEdge,
    FlowRow,
    Gone,
    Grade,
    HourRow,
    Link,
    Matched,
    ReachedFlow,
    SaidRow,
    SpanRow,
    TraceRow,
)

__all__ = [
    "DecisionsPage",
    "Edges",
    "FlowsPage",
    "Hours",
    "PassageReach",
    "ReachPage",
    "Said",
    "Texts",
    "TextsGone",
    "TraceTree",
    "TracesPage",
    "answer",
]


@dataclass(frozen=True, slots=True)
class FlowsPage:
    """Flows, the newest first; ``next`` is the cursor of the next page, if there is one."""

    flows: tuple[FlowRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DecisionsPage:
    """Decisions, the newest first."""

    decisions: tuple[DecisionRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class TracesPage:
    """Traces, the newest first."""

    traces: tuple[TraceRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Edges:
    """The flow map."""

    edges: tuple[FlowEdge, ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """Flows by hour and level."""

    hours: tuple[HourRow, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Model calls with the words in one of their texts, the newest first."""

    said: tuple[SaidRow, ...]


@dataclass(frozen=True, slots=True)
class FlowAndOutcome(FlowRow):
    """A flow, and what became of it."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class FlowReached(ReachedFlow):
    """A flow, and how it was reached: by which hops, and how surely.

    Attributes:
        outcome: What became of it.
        matched: What the question's name was found to be; empty for what was derived.
        hop: How many times a text was made on the way.
        by: Every way by which it was found.
        grade: Of the surest path to it.
        path: The links of that path.
    """

    outcome: Outcome
    matched: Matched
    hop: int
    by: tuple[By, ...]
    grade: Grade
    path: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How far it got: what is distinct in all rows, also those of other pages."""

    retrievals: int
    prompts: int
    completions: int
    sessions: int
    users: int
    audiences: tuple[str, ...]
    models: tuple[str, ...]
    outcomes: dict[Outcome, int]


@dataclass(frozen=True, slots=True)
class ReachAnswer:
    """Flows of what was asked for, and of what was made of it, the oldest first.

    Attributes:
        direct: Of steps that the very text was in.
        derived: Of steps that only what was made of it was in.
        grades: By grade, each step by its surest.
        hops: Of the longest path.
        complete: False where there are more rows or hops than one answer holds.
    """

    what: str
    matched: tuple[Matched, ...]
    counts: Counts
    direct: Counts
    derived: Counts
    grades: dict[Grade, Counts]
    hops: int
    complete: bool
    rows: tuple[FlowReached, ...]


@dataclass(frozen=True, slots=True)
class ReachPage(ReachAnswer):
    """A page of them; ``next`` is the cursor of the next page, if there is one."""

    next: str | None


@dataclass(frozen=True, slots=True)
class LookedFor:
    """How a passage was looked for; not complete where more texts have its words than were read."""

    by: Way
    complete: bool


@dataclass(frozen=True, slots=True)
class PassageReach(ReachAnswer):
    """What holds a passage, and what was made of that, got into."""

    passage: LookedFor


@dataclass(frozen=True, slots=True)
class StepTree:
    """One span with its flows."""

    depth: int
    span: SpanRow
    flows: tuple[FlowAndOutcome, ...]


@dataclass(frozen=True, slots=True)
class TraceTree:
    """One trace, parents before their children."""

    trace_id: str
    start_ns: int
    end_ns: int
    audiences: tuple[str, ...]
    sessions: tuple[str, ...]
    users: tuple[str, ...]
    outcomes: dict[Outcome, int]
    steps: tuple[StepTree, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by digest; one that is not kept, or not for this reader, is not there."""

    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class TextsGone:
    """Texts that do not open, by digest, and why; one that opens, or never was, is not there."""

    gone: dict[str, Gone]


def answer(tree: Any) -> Response:
    """An answer in JSON, which nobody may keep."""
    body = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    try:
        encoded = body.encode("utf-8")
    except UnicodeEncodeError:  # half a character: escaped, so that a text keeps its digest
        encoded = json.dumps(tree, separators=(",", ":")).encode("ascii")
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(encoded, media_type="application/json", headers=headers)
