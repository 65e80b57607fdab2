"""The chain of decisions, asked for over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import Field

from ragtrace.server._answers import answer
from ragtrace.server._asked import AskedNothing, once_each
from ragtrace.server._auth import Auth
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import ChainedStep, ChainState, Head, Store, check_chains, count_unchained

__all__ = ["linker"]

linker: Final = APIRouter(
    prefix="/v1/chain", dependencies=[Depends(once_each)], responses=documented(400, 401, 403, 503)
)


@dataclass(frozen=True, slots=True)
class Checked:
    """Every chain with what is wrong with it, and how many decisions have no entry."""

    chains: tuple[ChainState, ...]
    unchained: int


@dataclass(frozen=True, slots=True)
class Heads:
    """The newest head of each chain, signed by its key."""

    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the decisions of a trace are in the chains."""

    steps: tuple[ChainedStep, ...]


class AskedSteps(AskedNothing):
    """Of which trace."""

    trace: str = Field(pattern=r"^[0-9a-f]{32}$", description="Its whole id.")


@linker.get("/heads", response_model=Heads)
def heads(asked: Annotated[AskedNothing, Query()], view: View) -> Response:
    """The newest head of each chain: to be kept where the store is not."""
    return answer({"heads": [head.as_json() for head in view.heads()]})


@linker.get("/steps", response_model=Steps)
def steps(asked: Annotated[AskedSteps, Query()], view: View) -> Response:
    """Where the decisions of a trace are in the chains, and since when they are sealed."""
    return answer({"steps": [step.as_json() for step in view.chained(asked.trace)]})


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
