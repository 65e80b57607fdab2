"""Start: NiceGUI, once a process, with the pages and nothing from a network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

__all__ = ["start"]


async def start(running: AsyncExitStack) -> ASGIApp:
    """NiceGUI's application, running in this event loop until ``running`` is closed."""
    host = await run_in_threadpool(_host)  # the import takes a second; telemetry goes on
    await running.enter_async_context(host.router.lifespan_context(host))
    return host


@cache
def _host() -> FastAPI:
    from nicegui import client, ui

    from ragtrace.server.dashboard._own import own_url
    from ragtrace.server.dashboard.pages import register

    environment = client.templates.env
    environment.loader = _marking(environment.loader)
    register()
    ui.add_head_html(
        f'<link rel="stylesheet" href="{own_url("look.css")}">'
        f'<script src="{own_url("look.js")}"></script>',
        shared=True,
    )
    host = FastAPI(openapi_url=None)
    ui.run_with(
        host,
        title="ragtrace",
        dark=None,
        tailwind=False,  # it compiles styles in the browser; ours are written out
        show_welcome_message=False,  # it would look up this machine's addresses
        binding_refresh_interval=None,
        markdown=False,
    )
    return host


def _marking(loader: Any) -> Any:
    """The templates with the page's number on every script of theirs, and on no other."""
    from jinja2 import BaseLoader, Environment

    class Marking(BaseLoader):
        def get_source(
            self, environment: Environment, template: str
        ) -> tuple[str, str | None, Callable[[], bool] | None]:
            source, name, fresh = loader.get_source(environment, template)
            nonce = "{{ request.scope['ragtrace.nonce'] }}"
            return source.replace("<script", f'<script nonce="{nonce}"'), name, fresh

    return Marking()
