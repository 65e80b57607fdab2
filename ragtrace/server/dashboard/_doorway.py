"""Doorway: the one way in to the pages; who may not read does not get past it."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import quote, urlsplit

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragtrace.server._asked import once_each
from ragtrace.server._auth import Auth
from ragtrace.server.dashboard._levels import Levels
from ragtrace.server.dashboard._login import LOGIN, log_in, login_page
from ragtrace.server.dashboard._look import Place, answer, look, place_of, read
from ragtrace.server.dashboard._own import OWN_FILES, own_file
from ragtrace.store import Access, Store

__all__ = ["LOOK", "NONCE", "Doorway"]

LOOK: Final = "ragtrace.look"
"""Key of the scope under which a page finds what it is to draw."""
NONCE: Final = "ragtrace.nonce"
"""Key of the scope with the number that lets a page's own scripts run, and no other."""
SOCKET: Final = "/_nicegui_ws/"
ASSETS: Final = ("/_nicegui/", OWN_FILES)
_ALONE: Final = frozenset({"/", LOGIN, "/favicon.ico"})


class Doorway(BaseRoute):
    """Takes what is addressed to the dashboard; NiceGUI is started by the first who looks.

    Importing it takes a second and some 60 MiB, which a server that only receives does not
    spend.

    Args:
        store: What is asked.
        auth: Says who a visitor is.
        levels: The order of the labels.
    """

    def __init__(self, store: Store, auth: Auth, levels: Levels) -> None:
        self._store = store
        self._auth = auth
        self._levels = levels
        self._pages: ASGIApp | None = None
        self._starting = asyncio.Lock()
        self._running = AsyncExitStack()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for a page, or for what a page is made of."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        path: str = scope["path"]
        ours = path in _ALONE or path.startswith((SOCKET, *ASSETS)) or place_of(path) is not None
        return (Match.FULL if ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """It has no name to be found by."""
        raise NoMatchFound(name, path_params)

    async def close(self) -> None:
        """Stop NiceGUI, where somebody has looked."""
        await self._running.aclose()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one visitor.

        Raises:
            HTTPException: It may not read, or asks for what cannot be read.
        """
        if scope["type"] == "websocket":
            await self._talk(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise HTTPException(405)
        nonce = secrets.token_urlsafe(16)
        guarded = _guarded(send, nonce)
        response = await self._respond(Request(scope), {**scope, NONCE: nonce}, receive, guarded)
        if response is not None:
            await response(scope, receive, guarded)

    async def _respond(
        self, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> Response | None:
        """The response, or none where NiceGUI has sent it."""
        path = request.url.path
        if path.startswith(OWN_FILES):
            return own_file(path)
        if path == LOGIN:
            return await self._login(request, receive)
        place = place_of(path)
        try:
            access = self._auth.access(request)
        except HTTPException as refused:
            a_page = path == "/" or (place is not None and not place.as_json)
            if refused.status_code != 401 or not a_page:
                raise
            return RedirectResponse(f"{LOGIN}?next={quote(_target(request), safe='')}", 303)
        if path == "/":
            return RedirectResponse(f"/map{_query(request)}", 307)
        if path == "/favicon.ico":
            return own_file(f"{OWN_FILES}icon.svg")
        if place is not None:
            if request.method == "POST":
                raise HTTPException(405)
            once_each(request)
            if place.as_json:
                return await run_in_threadpool(self._tree, request, place, access)
            scope[LOOK] = await run_in_threadpool(self._look, request, place, access)
        await (await self._open())(_trimmed(scope), receive, send)
        return None

    async def _login(self, request: Request, receive: Receive) -> Response:
        if request.method != "POST":
            return login_page(request.query_params.get("next", ""))
        if not _same_origin(request):
            raise HTTPException(403, "the form of another site")
        return await log_in(Request(request.scope, receive), self._auth)

    def _look(self, request: Request, place: Place, access: Access) -> Any:
        reader = self._store.seen_by(access)
        return look(reader, place, request.query_params, access, self._levels)

    def _tree(self, request: Request, place: Place, access: Access) -> Response:
        asked = read(place, request.query_params)
        found = answer(self._store.seen_by(access), place, asked, access, self._levels)
        body = json.dumps(found.as_json(), ensure_ascii=False, separators=(",", ":"))
        # A text that holds half a character cannot be UTF-8; it is shown with a replacement.
        return Response(body.encode("utf-8", "replace"), media_type="application/json")

    async def _talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page's socket: for whom the page is, and from the page only."""
        visitor = HTTPConnection(scope)
        try:
            if not _same_origin(visitor):
                raise HTTPException(403, "another site's page")
            self._auth.access(visitor)
            pages = await self._open()
        except HTTPException:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await pages(_trimmed(scope), receive, send)

    async def _open(self) -> ASGIApp:
        async with self._starting:
            if self._pages is None:
                from ragtrace.server.dashboard._start import start

                self._pages = await start(self._running)
        return self._pages


def _guarded(send: Send, nonce: str) -> Send:
    """``send`` with the headers that keep a page to itself, whatever text stands in it."""
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        # Vue compiles its templates in the browser, which is an eval. No inline script runs
        # but those that the template marks: markup that slipped in would be dead.
        f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'"
    )

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = policy
            headers["x-frame-options"] = "DENY"
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["cross-origin-resource-policy"] = "same-origin"
            if "immutable" not in headers.get("cache-control", ""):
                headers["cache-control"] = "no-store"
        await send(message)

    return guarded


def _trimmed(scope: Scope) -> Scope:
    """Without the header by which a visitor could make the page's addresses begin otherwise."""
    headers = [(k, v) for k, v in scope["headers"] if k.lower() != b"x-forwarded-prefix"]
    return {**scope, "headers": headers}


def _same_origin(visitor: HTTPConnection) -> bool:
    """A browser says whose page it is; who says nothing is no browser, and shows a token."""
    origin = visitor.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == visitor.headers.get("host")
    except ValueError:
        return False


def _target(request: Request) -> str:
    return request.url.path + _query(request)


def _query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""
