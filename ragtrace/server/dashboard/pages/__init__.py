"""The drawing of each page; the only modules that know NiceGUI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import Request
from nicegui import ui

from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard.pages._decisions import draw_decisions
from ragtrace.server.dashboard.pages._layout import layout
from ragtrace.server.dashboard.pages._map import draw_map
from ragtrace.server.dashboard.pages._reach import draw_reach
from ragtrace.server.dashboard.pages._trace import draw_trace

__all__ = ["register"]

_PATHS: Final = {
    "map": "/map",
    "decisions": "/decisions",
    "trace": "/trace/{name}",
    "reach": "/reach",
}
_DRAWINGS: Final[dict[str, Callable[[Look, Any], None]]] = {
    "map": draw_map,
    "decisions": draw_decisions,
    "trace": draw_trace,
    "reach": draw_reach,
}


def register() -> None:
    """Make the pages known to NiceGUI; what they draw is in the scope of the request."""
    for path in _PATHS.values():
        ui.page(path)(_draw)


def _draw(request: Request) -> None:
    seen: Look = request.scope["ragtrace.look"]
    ui.context.client.status_code = seen.status
    with layout(seen):
        if seen.answer is not None:
            _DRAWINGS[seen.place.page](seen, seen.answer)
