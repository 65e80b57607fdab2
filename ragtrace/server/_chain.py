"""The chain of decisions, asked for over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from ragtrace.server._answers import answer
from ragtrace.server._asked import AskedNothing, once_each
from ragtrace.server._auth import Auth
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import ChainState, Store, check_chains, count_unchained

__all__ = ["linker"]

linker: Final = APIRouter(
    prefix="/v1/chain", dependencies=[Depends(once_each)], responses=documented(400, 401, 403, 503)
)


@dataclass(frozen=True, slots=True)
class Checked:
    """Every chain with what is wrong with it, and how many decisions have no entry."""

    chains: tuple[ChainState, ...]
    unchained: int


def _everything(request: Request, _: View) -> Store:
    """The store, for who may see every row of it.

    Raises:
        HTTPException: 401 or 403 where the caller may not.
    """
    auth: Auth = request.app.state.auth
    if auth.access(request).tenants is not None:
        raise HTTPException(403, "a chain holds all tenants: expected a token of all of them")
    store: Store = request.app.state.store
    return store


@linker.get("/check", response_model=Checked)
def check(
    asked: Annotated[AskedNothing, Query()], store: Annotated[Store, Depends(_everything)]
) -> Response:
    """Every chain read from its beginning to its end; takes a minute for a million entries."""
    chains = [one.as_json() for one in check_chains(store)]
    return answer({"chains": chains, "unchained": count_unchained(store)})
