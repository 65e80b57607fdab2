"""Middleware: each request of a web application, from its first byte to its last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from ragtrace.capture import current_request, guarded, request
from ragtrace.wire import names
from ragtrace_asgi._routes import Routes, Source

__all__ = ["AsgiMiddleware"]

App = Callable[[Any, Any, Any], Awaitable[None]]

TURNS: Final = ("http", "websocket")
"""Kinds of scopes that somebody reads the answer of; the third kind is the server's start."""


class AsgiMiddleware:
    """Opens a request for every HTTP request and WebSocket, for whom the edge vouches.

    It is open until the application is done with it: to the last byte of a stream. A WebSocket is
    one request, from its handshake to its end. What nobody vouches for is for the audience
    ``unknown``, which is least cleared, and its span says why (``ragtrace.audience.basis``). It
    lets nobody in and keeps nobody out: that is for the application to do. Its errors leave as
    they came.

    Args:
        app: The application.
        routes: Who reads the answers of which paths: the name of an audience, ``Claims``, or
            several that have to agree. A star stands for any text; the first pattern that fits
            counts.

    Raises:
        ConfigError: The routes cannot be used.
    """

    def __init__(self, app: App, routes: Mapping[str, Source | Sequence[Source]]) -> None:
        self._app = app
        self._routes = Routes(routes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection.

        Raises:
            PolicyBlocked: The policy refuses the audience whatever it asks.
        """
        if scope["type"] not in TURNS:
            await self._app(scope, receive, send)
            return
        caller = await self._routes.caller(scope)
        with request(
            caller.audience, session=caller.session, user=caller.user, tenant=caller.tenant
        ):
            with guarded("request span"):
                opened = current_request()
                if opened is not None and opened.span is not None:
                    opened.span.set_attribute(names.AUDIENCE_BASIS, caller.basis)
            await self._app(scope, receive, send)
