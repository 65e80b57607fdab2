"""Reach of a passage over HTTP: sent in a body, for it may be long, and addresses are logged."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragtrace.forensics import holders, reach
from ragtrace.server._answers import PassageReach, answer
from ragtrace.server._asked import AskedFilter, once_each
from ragtrace.server._body import asked_in_body, body_of
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import REACH_LIMIT, FlowFilter

__all__ = ["finder"]

PASSAGE_CHARACTERS: Final = 100_000
"""Of a passage that somebody sends: a chapter."""
BODY_BYTES: Final = 8 * PASSAGE_CHARACTERS
"""Whatever JSON makes of its characters."""


class AskedPassage(BaseModel):
    """A text that was found somewhere, which flows to begin with, and rows of the answer."""

    model_config = ConfigDict(extra="forbid")

    passage: str = Field(min_length=1, max_length=PASSAGE_CHARACTERS, pattern=r"\S")
    where: AskedFilter | None = None
    limit: int = Field(REACH_LIMIT, ge=1, le=REACH_LIMIT)


async def _asked(request: Request, _: View) -> AskedPassage:
    """What is asked by who may read; the body is read after that is known.

    Raises:
        HTTPException: As ``asked_in_body``.
    """
    return await asked_in_body(request, AskedPassage, BODY_BYTES)


finder: Final = APIRouter(
    prefix="/v1", dependencies=[Depends(once_each)], responses=documented(400, 401, 403, 503)
)


@finder.post("/reach", response_model=PassageReach, openapi_extra=body_of(AskedPassage))
def reach_of_passage(asked: Annotated[AskedPassage, Depends(_asked)], view: View) -> Response:
    """Reach of the texts that hold a passage: of those that are kept and the caller may read."""
    held = holders(view, asked.passage)
    where = asked.where.where if asked.where is not None else FlowFilter()
    found = reach(view, held.names, asked.limit, where=where)
    return answer({**found.as_json(), "passage": held.as_json()})
