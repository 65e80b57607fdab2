"""The dashboard: the store's answers as pages, on the server's own application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from ragtrace.server._auth import Auth
from ragtrace.server.dashboard._doorway import Doorway
from ragtrace.server.dashboard._levels import Levels, levels_of_policy
from ragtrace.store import Store

__all__ = ["Levels", "add_dashboard"]


def add_dashboard(app: FastAPI, store: Store, auth: Auth, levels: Levels | None = None) -> None:
    """Put the pages on ``app``: ``/map``, ``/decisions``, ``/trace/ID``, ``/reach``.

    Each has its data at the same path with ``.json``.

    Args:
        app: The server; its lifespan ends the pages too.
        store: What is asked, always as the visitor.
        auth: Says who a visitor is.
        levels: The order of the labels; of the policy that ``RAGTRACE_POLICY`` names, without.
    """
    doorway = Doorway(store, auth, levels or levels_of_policy())
    app.router.routes.append(doorway)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(given: FastAPI) -> Any:
        async with before(given) as state:
            yield state
            await doorway.close()

    app.router.lifespan_context = lifespan
