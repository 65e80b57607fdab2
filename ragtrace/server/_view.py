"""View: the store as the caller of a request sees it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from ragtrace.server._auth import Auth
from ragtrace.store import Seen, Store

__all__ = ["View"]

_BEARER: Final = HTTPBearer(auto_error=False, description="A token that may read.")
"""For the document alone: ``Auth`` reads the header."""


def _seen(request: Request, _: Annotated[object, Security(_BEARER)]) -> Seen:
    store: Store = request.app.state.store
    auth: Auth = request.app.state.auth
    return store.seen_by(auth.access(request))


View = Annotated[Seen, Depends(_seen)]
