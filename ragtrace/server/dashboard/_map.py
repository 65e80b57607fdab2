"""FlowMap: which sources reach whom, under which label, and what was told beyond clearance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragtrace.forensics import outcome
from ragtrace.server.dashboard._asked import Asked
from ragtrace.server.dashboard._levels import Levels
from ragtrace.store import AnyFlow, FlowEdge, FlowFilter, Reader

__all__ = ["Edge", "FlowMap", "flow_map", "told_beyond"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the map.

    Attributes:
        beyond: How many of its flows were certainly in a prompt, were answered, and are of a level
            above the clearance of who read the answer.
    """

    edge: FlowEdge
    beyond: int

    def as_json(self) -> dict[str, Any]:
        """Give the edge's fields by name, with ``beyond`` beside them."""
        return {**self.edge.as_json(), "beyond": self.beyond}


@dataclass(frozen=True, slots=True)
class FlowMap:
    """What the map shows.

    Attributes:
        stage: ``retrieval`` or ``prompt``.
        edges: First those that told beyond clearance, the widest first.
        stored: Whether anything is stored at all, in this time range or another.
    """

    stage: str
    edges: tuple[Edge, ...]
    stored: bool

    def as_json(self) -> dict[str, Any]:
        """Give the map as one tree."""
        return {"stage": self.stage, "edges": [edge.as_json() for edge in self.edges]}


def flow_map(reader: Reader, asked: Asked, levels: Levels) -> FlowMap:
    """Draw the map of the flows that ``asked`` names, those found in prompts unless it says.

    Raises:
        StoreError: The store cannot be read.
    """
    where = asked.with_stage("prompt").where
    edges = reader.edges(where)
    drawn = [Edge(edge, _beyond(levels, edge)) for edge in edges]
    return FlowMap(
        stage=where.stage or "prompt",
        edges=tuple(sorted(drawn, key=lambda one: (-one.beyond, -one.edge.flows))),
        stored=bool(edges) or bool(reader.flows(FlowFilter(), 1)),
    )


def told_beyond(levels: Levels, flow: AnyFlow) -> bool:
    """Whether a flow certainly told an audience text of a level above its clearance."""
    certain = flow.verdict == "certain" and outcome(flow) == "disclosed"
    return certain and levels.above(flow.level, flow.clearance)


def _beyond(levels: Levels, edge: FlowEdge) -> int:
    return sum(flows for clearance, flows in edge.told if levels.above(edge.level, clearance))
