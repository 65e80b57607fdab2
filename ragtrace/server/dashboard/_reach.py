"""Reached: what a document reached, counted, over time, and one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, get_args

from ragtrace.forensics import Outcome, Reach, outcome, reach
from ragtrace.server.dashboard._asked import Asked
from ragtrace.store import FlowFilter, Reader

__all__ = ["Bar", "Reached", "reached"]

BARS: Final = 48
"""Of the timeline: as many as fit a telephone."""
SHOWN: Final = 500
"""Rows of the list; the counts are of all."""
MOST: Final = 20_000
"""Flows that one page counts; the command counts more."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Flows that began in one part of the time, by what became of them."""

    start_ns: int
    outcomes: dict[Outcome, int]


@dataclass(frozen=True, slots=True)
class Reached:
    """What the page of a document shows.

    Attributes:
        found: ``None`` while nothing is asked for.
        bars: From the first flow to the last, equally long.
        stored: Whether anything is stored at all.
    """

    what: str
    found: Reach | None
    bars: tuple[Bar, ...]
    stored: bool

    def as_json(self) -> dict[str, Any]:
        """Give what was found as one tree, as ``/v1/reach`` does, with the timeline."""
        bars = [{"start_ns": bar.start_ns, "outcomes": bar.outcomes} for bar in self.bars]
        tree = {} if self.found is None else self.found.as_json()
        return {"what": self.what, **tree, "timeline": bars}


def reached(reader: Reader, asked: Asked) -> Reached:
    """Ask what a document, chunk, digest, URI or source reached, and what was made of it.

    Without one, the conditions of the address say where to begin.

    Raises:
        StoreError: The store cannot be read.
    """
    what = asked.what
    given = bool(what or asked.where.as_params())
    found = reach(reader, what, MOST, where=asked.where) if given else None
    if found is None or not found.rows:
        return Reached(what, found, (), bool(reader.flows(FlowFilter(), 1)))
    return Reached(what, found, _bars(found), True)


def _bars(found: Reach) -> tuple[Bar, ...]:
    first, last = found.rows[0].flow.time_ns, found.rows[-1].flow.time_ns
    width = (last - first) // BARS + 1
    counts: list[Counter[Outcome]] = [Counter() for _ in range((last - first) // width + 1)]
    for row in found.rows:
        counts[(row.flow.time_ns - first) // width][outcome(row.flow)] += 1
    return tuple(
        Bar(first + place * width, {name: count[name] for name in get_args(Outcome)})
        for place, count in enumerate(counts)
    )
