"""Login: where a visitor shows a token, once, and a cookie stands for it from then on."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ragtrace.server._auth import Auth
from ragtrace.server._inbound import RefusedError, short_body
from ragtrace.server._peer import Peer
from ragtrace.server._session import COOKIE, TooManyLoginsError, cookie_options
from ragtrace.server.dashboard._own import own_url

__all__ = ["LOGIN", "log_in", "login_page"]

LOGIN: Final = "/login"
LONGEST_FORM: Final = 8192
"""Bytes: a token, and the page to go on to."""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · ragtrace</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{icon}"><link rel="stylesheet" href="{style}">
<script src="{script}"></script></head>
<body><div class="shell"><main class="login"><form class="card" method="post" action="/login">
<div class="brand"><span class="mark"></span><span>ragtrace</span></div>
<label for="token">Your token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="next" value="{next}">
<p class="failed-login" role="alert">{failed}</p>
<button class="pill go" type="submit">Sign in</button>
<p class="below">Who keeps this server has it: RAGTRACE_READ_TOKEN, or an entry of the access
file.</p></form></main></div></body></html>"""


def login_page(following: str, failed: str = "") -> Response:
    """The form; after it the visitor is led to ``following``, if that is a page of ours."""
    page = _PAGE.format(
        icon=own_url("icon.svg"),
        style=own_url("look.css"),
        script=own_url("look.js"),
        next=escape(_ours(following)),
        failed=escape(failed),
    )
    return HTMLResponse(page, 401 if failed else 200)


async def log_in(request: Request, auth: Auth) -> Response:
    """What the form sent: a token to be shown, or the wish to leave."""
    said = await _form(request)
    if "leave" in said:
        auth.sessions.close(request.cookies.get(COOKIE))
        left = RedirectResponse(LOGIN, 303)
        left.delete_cookie(COOKIE, path="/")
        return left
    following = _ours(said.get("next", ""))
    try:
        cookie = auth.sessions.open(said.get("token", ""), auth.address(Peer.of(request)))
    except TooManyLoginsError as error:
        return login_page(following, str(error))
    if cookie is None:
        return login_page(following, "That token is not known here, or may not read.")
    entered = RedirectResponse(following, 303)
    entered.set_cookie(COOKIE, cookie, **cookie_options(request.url.scheme == "https"))
    return entered


async def _form(request: Request) -> dict[str, str]:
    try:
        body = await short_body(request, LONGEST_FORM)
        fields = parse_qs(body.decode("utf-8"), max_num_fields=4)
    except (RefusedError, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items()}


def _ours(url: str) -> str:
    """``url`` if it is a path of this server; another would lead the visitor elsewhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/map"
    ours = url.startswith("/") and not parts.netloc and not parts.scheme
    return url if ours and not url.startswith("//") and "\\" not in url else "/map"
