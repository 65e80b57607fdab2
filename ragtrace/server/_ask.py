"""Ask: the store's questions over HTTP, each answered with what its caller may see."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from ragtrace import forensics
from ragtrace.server import _answers as shape
from ragtrace.server._answers import answer
from ragtrace.server._asked import (
    AskedFilter,
    AskedNothing,
    AskedPage,
    AskedReach,
    AskedTexts,
    AskedWords,
    cursor_of,
    once_each,
)
from ragtrace.server._health import Health, Pulse
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import AnyFlow, DecisionRow, FlowRow, Place, Stats, TraceRow

__all__ = ["asker", "health"]

R = TypeVar("R", FlowRow, DecisionRow, TraceRow)

asker = APIRouter(
    prefix="/v1", dependencies=[Depends(once_each)], responses=documented(400, 401, 403, 503)
)
health = APIRouter()


@asker.get("/flows", response_model=shape.FlowsPage)
def flows(asked: Annotated[AskedPage, Query()], view: View) -> Response:
    """Flows: which chunk reached which prompt, for whom, and what was decided."""
    rows = view.flows(asked.where, asked.limit + 1, after=asked.after)
    return _page("flows", rows, asked.limit, _place_of)


@asker.get("/decisions", response_model=shape.DecisionsPage)
def decisions(asked: Annotated[AskedPage, Query()], view: View) -> Response:
    """Decisions: the strictest of each step. A document's are those about its flows."""
    rows = view.decisions(asked.where, asked.limit + 1, after=asked.after)
    return _page("decisions", rows, asked.limit, lambda row: Place(row.time_ns, row.span_id))


@asker.get("/traces", response_model=shape.TracesPage)
def traces(asked: Annotated[AskedPage, Query()], view: View) -> Response:
    """Traces with a span of the app in the period; other conditions are of one of its flows."""
    rows = view.traces(asked.where, asked.limit + 1, after=asked.after)
    return _page("traces", rows, asked.limit, lambda row: Place(row.start_ns, row.trace_id))


@asker.get("/traces/{trace_id}", response_model=shape.TraceTree, responses=documented(404))
def trace(trace_id: str, asked: Annotated[AskedNothing, Query()], view: View) -> Response:
    """One trace, by its id or a prefix that only it has."""
    return answer(forensics.trace(view, trace_id).as_json())


@asker.get("/edges", response_model=shape.Edges)
def edges(asked: Annotated[AskedFilter, Query()], view: View) -> Response:
    """The flow map: which source reached which audience at which level, with counts."""
    return answer({"edges": [edge.as_json() for edge in view.edges(asked.where)]})


@asker.get("/hours", response_model=shape.Hours)
def hours(asked: Annotated[AskedFilter, Query()], view: View) -> Response:
    """How many flows of each level there were in each hour, the earliest first."""
    return answer({"hours": [hour.as_json() for hour in view.hours(asked.where)]})


@asker.get("/reach", response_model=shape.ReachPage)
def reach(asked: Annotated[AskedReach, Query()], view: View) -> Response:
    """Reach: every prompt that a text, and what was made of it, got into, and who read the answers.

    Without `what`, a condition says where to begin.
    """
    if not any(asked.what) and not asked.where.as_params():
        raise HTTPException(400, "what: expected a name, or a condition that says where to begin")
    found = forensics.reach(view, asked.what, where=asked.where)
    behind = asked.after
    rows = [row for row in found.rows if behind is None or _place_of(row.flow) > behind]
    page = rows[: asked.limit]
    following = cursor_of(_place_of(page[-1].flow)) if len(rows) > len(page) else None
    return answer({**found.as_json(page), "next": following})


@asker.get("/words", response_model=shape.Said)
def words(asked: Annotated[AskedWords, Query()], view: View) -> Response:
    """The newest model calls with all of these words in a text that the caller may read."""
    found = view.said(asked.what, asked.limit, where=asked.where)
    return answer({"said": [row.as_json() for row in found]})


@asker.get("/texts", response_model=shape.Texts)
def texts(asked: Annotated[AskedTexts, Query()], view: View) -> Response:
    """Texts of prompts, chunks and completions, of the levels that the caller may read."""
    return answer({"texts": view.texts(asked.digest)})


@asker.get("/texts/gone", response_model=shape.TextsGone)
def gone(asked: Annotated[AskedTexts, Query()], view: View) -> Response:
    """What became of texts that were kept, of these levels, and do not open any more."""
    found = view.gone(asked.digest)
    return answer({"gone": {name: one.as_json() for name, one in found.items()}})


@asker.get("/stats", response_model=Stats)
def stats(asked: Annotated[AskedNothing, Query()], view: View) -> Response:
    """How much is stored: a pass over everything."""
    return answer(view.stats().as_json())


@health.get("/healthz", response_model=Health)
async def healthz(request: Request) -> Response:  # async: not behind questions that wait
    """Whether the server is well, as far as is known; anybody may ask, and waits for nobody."""
    pulse: Pulse = request.app.state.pulse
    broken = pulse.broken_parts()
    state = "ok" if pulse.is_well else "degraded"
    return answer({"status": state, "broken_parts": broken, "pid": os.getpid()})


def _place_of(flow: AnyFlow) -> Place:
    return Place(flow.time_ns, flow.span_id, flow.ordinal)


def _page(name: str, rows: Sequence[R], limit: int, place: Callable[[R], Place]) -> Response:
    more = len(rows) > limit  # one row more was asked for than is shown
    shown = rows[:limit]
    following = cursor_of(place(shown[-1])) if more else None
    return answer({name: [row.as_json() for row in shown], "next": following})
