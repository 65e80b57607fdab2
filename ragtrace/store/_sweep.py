"""Sweep: which flows are reached, how surely, and by which path; one pass through time each grade.

A text is met again only after it was made, so that in order of time whatever leads to a flow has
been looked at before it. There are no loops to get caught in, and no path is walked twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Final

from ragtrace.store._reached import GRADES, By, Grade, Link, Matched, ReachedFlow, ReachRow, graded
from ragtrace.store._rows import OriginRow

__all__ = ["CACHED", "Found", "hands_on", "place_of", "surest", "swept"]

CACHED: Final = "cached"
"""The stage of an answer that a cache gave: no prompt holds it."""
_KEPT_OUT: Final = frozenset({"redact", "drop", "block"})

Made = dict[tuple[str, bool], tuple[ReachRow, Grade]]
"""By the digest of a completion, and whether the step itself says surely enough that it has what is
asked for: the step with the shortest path that made it, and what that says."""


@dataclass(frozen=True, slots=True)
class Found:
    """A flow that may be reached.

    Attributes:
        matched: What the name asked for is of it; ``None`` where it is not of the very text.
        known: The one of its recorded origins that is asked for, if one is.
        carried: Evidence with which its completion has what is asked for; empty if none is told.
        recorded: Whether it is reached for its origins alone, as is what meets the conditions.
    """

    flow: ReachedFlow
    matched: Matched | None
    known: OriginRow | None
    carried: str
    recorded: bool = False

    @property
    def key(self) -> tuple[int, str, int, str, str]:
        """Its place in the order of rows, and among all."""
        flow = self.flow
        return flow.time_ns, flow.span_id, flow.ordinal, flow.trace_id, flow.stage

    def joined(self, other: Found) -> Found:
        """What two ways of finding the same flow tell of it."""
        told = [one for one in (self.known, other.known) if one is not None]
        return replace(
            self,
            matched=other.matched if self.matched is None else self.matched,
            known=min(told, key=lambda one: place_of(one.evidence), default=None),
            carried=surest((self.carried, other.carried)),
            recorded=self.recorded or other.recorded,
        )


def hands_on(flow: ReachedFlow) -> bool:
    """Whether the completion of its step was made with it in the prompt, or is it."""
    enforced = "" if flow.mode == "shadow" else flow.action
    kept_out = flow.blocked or enforced in _KEPT_OUT or flow.verdict == "none"
    return flow.stage != "retrieval" and bool(flow.completion_digest) and not kept_out


def swept(found: Iterable[Found], most_hops: int) -> list[ReachRow]:
    """Give what is reached of ``found``, the oldest first, each by its surest path.

    Args:
        found: In any order, each once.
        most_hops: No path is longer.
    """
    ordered = sorted(found, key=attrgetter("key"))
    reached: dict[int, ReachRow] = {}
    ways: dict[int, tuple[By, ...]] = {}
    for grade in GRADES:  # the last pass meets every way there is, however sure
        ways = _pass(ordered, reached, grade, most_hops)
    return [replace(reached[place], by=ways[place]) for place in sorted(reached)]


def _pass(
    ordered: list[Found], reached: dict[int, ReachRow], grade: Grade, most_hops: int
) -> dict[int, tuple[By, ...]]:
    """Add what is reached as surely as ``grade``; gives the ways that lead to each."""
    made: Made = {}
    ways: dict[int, tuple[By, ...]] = {}
    for _, together in groupby(enumerate(ordered), key=lambda one: one[1].flow.time_ns):
        new: list[tuple[Found, ReachRow]] = []
        for place, one in together:
            paths = {
                way: path
                for way, path in _paths(one, made, most_hops).items()
                if _as_sure(graded(one.flow.verdict), grade)
                and all(_as_sure(link.grade, grade) for link in path)
            }
            if not paths:
                continue
            ways[place] = tuple(paths)
            if place not in reached:
                path = next(iter(paths.values()))  # whose steps are known, before one that is told
                reached[place] = ReachRow(one.matched or "", one.flow, (), grade, path)
            new.append((one, reached[place]))
        for one, row in new:  # not before: of two that begin at once neither follows from the other
            _note(made, one, row, grade)
    return ways


def _paths(one: Found, made: Made, most_hops: int) -> dict[By, tuple[Link, ...]]:
    flow, paths = one.flow, dict[By, tuple[Link, ...]]()
    if one.matched is not None:
        paths["direct"] = ()
    known = one.known
    # Where the flow does not record of itself what it has, the step that made it has to say.
    parent, carried = made.get((flow.digest, known is None), (None, None))
    if parent is not None and len(parent.path) < most_hops:
        step = parent.flow
        evidence = _evidence(known.evidence) if known is not None else carried or "taint"
        link = Link(step.verdict, step.trace_id, step.span_id, flow.digest, evidence)
        paths["digest"] = (*parent.path, link)
    if known is not None and one.recorded:
        paths["origin"] = (Link("", "", "", known.digest, _evidence(known.evidence)),)
    return paths


def _note(made: Made, one: Found, row: ReachRow, grade: Grade) -> None:
    """Remember what was made with ``one`` in the prompt."""
    if not hands_on(one.flow):
        return
    name, carried = one.flow.completion_digest, _evidence(one.carried)
    for carries in (False, True):
        before = made.get((name, carries))
        if carries and not _as_sure(carried, grade):
            continue
        if before is None or len(row.path) < len(before[0].path):
            made[name, carries] = row, carried


def _as_sure(one: Grade, grade: Grade) -> bool:
    return GRADES.index(one) <= GRADES.index(grade)


def surest(said: Iterable[str]) -> str:
    """The surest evidence of some; empty if none is told."""
    return min(said, key=place_of, default="")


def place_of(evidence: str) -> int:
    """Where evidence stands in the order of grades, the surest first; what is none, behind all."""
    return GRADES.index(evidence) if evidence in GRADES else len(GRADES)


def _evidence(said: str) -> Grade:
    return said if said in GRADES else "taint"
