"""Decisions: what was decided about each step, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragtrace.server._asked import cursor_of
from ragtrace.server.dashboard._asked import Asked
from ragtrace.store import DecisionRow, FlowEdge, FlowFilter, Place, Reader

__all__ = ["Choices", "Decisions", "decisions"]


@dataclass(frozen=True, slots=True)
class Choices:
    """What occurs in the time range, so that filters can offer it."""

    audiences: tuple[str, ...]
    sources: tuple[str, ...]
    levels: tuple[str, ...]

    @classmethod
    def of(cls, edges: Sequence[FlowEdge]) -> Choices:
        """What the edges of a map name."""
        return cls(
            audiences=tuple(sorted({edge.audience for edge in edges} - {""})),
            sources=tuple(sorted({edge.source for edge in edges} - {""})),
            levels=tuple(sorted({edge.level for edge in edges} - {""})),
        )


@dataclass(frozen=True, slots=True)
class Decisions:
    """One page of decisions.

    Attributes:
        following: Cursor of the next page; ``None`` on the last.
        stored: Whether anything is stored at all.
    """

    rows: tuple[DecisionRow, ...]
    following: str | None
    choices: Choices
    stored: bool

    def as_json(self) -> dict[str, Any]:
        """Give the page as ``/v1/decisions`` does; ``next`` is the cursor of the next one."""
        return {"decisions": [row.as_json() for row in self.rows], "next": self.following}


def decisions(reader: Reader, asked: Asked) -> Decisions:
    """List the decisions that ``asked`` names.

    Raises:
        StoreError: The store cannot be read.
    """
    found = reader.decisions(asked.where, asked.limit + 1, after=asked.after)
    rows = found[: asked.limit]
    last = Place(rows[-1].time_ns, rows[-1].span_id) if len(found) > len(rows) else None
    edges = reader.edges(FlowFilter(since=asked.where.since, until=asked.where.until))
    return Decisions(
        rows=tuple(rows),
        following=cursor_of(last) if last is not None else None,
        choices=Choices.of(edges),
        stored=bool(edges) or bool(rows) or bool(reader.flows(FlowFilter(), 1)),
    )
