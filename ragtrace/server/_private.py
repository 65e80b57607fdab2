"""Private: what only who may have everything may ask, and what they ask for in a body."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel

from ragtrace.server._auth import Auth
from ragtrace.server._body import asked_in_body
from ragtrace.server._view import View
from ragtrace.store import Access, Store

__all__ = ["everything", "posted"]

BODY_BYTES: Final = 32 * 1024
"""Of a question in a body: a path, or a name and a reason, whatever JSON makes of them."""

M = TypeVar("M", bound=BaseModel)


def everything(request: Request, _: View) -> Store:
    """The store, for an administrator of all levels and tenants.

    Raises:
        HTTPException: 401 or 403 where the caller is none.
    """
    _administrator(request)
    store: Store = request.app.state.store
    return store


def posted(model: type[M], expected: str) -> Callable[[Request], Coroutine[Any, Any, M]]:
    """Give what reads a body of such an administrator; after it is known who that is.

    Args:
        model: What the body is to be.
        expected: The same in words.
    """

    async def read(request: Request) -> M:
        """What is asked.

        Raises:
            HTTPException: 401 or 403 where the caller may not; and as ``asked_in_body``.
        """
        _administrator(request)
        return await asked_in_body(request, model, BODY_BYTES, expected)

    return read


def _administrator(request: Request) -> Access:
    auth: Auth = request.app.state.auth
    access = auth.access(request)
    if "admin" not in access.roles:
        raise HTTPException(403, "this token's roles do not include admin")
    if access.levels is not None or access.tenants is not None:
        raise HTTPException(403, "this is of everything: expected a token of all levels, tenants")
    return access
