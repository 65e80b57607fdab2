"""What if, and replay, over HTTP: the store under a policy that the caller brings, or recorded."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragtrace.errors import PolicyFileError
from ragtrace.forensics import Candidate, replay, what_if
from ragtrace.policy import Alone, lines_of, parse_policy
from ragtrace.server._answers import answer
from ragtrace.server._asked import AskedFilter, AskedNothing, once_each
from ragtrace.server._auth import Auth
from ragtrace.server._body import asked_in_body, body_of
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import FlowFilter

__all__ = ["replayer"]

POLICY_CHARACTERS: Final = 200_000
"""Of a policy that somebody sends: a hundred times what is written by hand."""
BODY_BYTES: Final = 8 * POLICY_CHARACTERS
"""Whatever JSON makes of its characters."""
SAMPLE: Final = 1000
SAMPLE_LIMIT: Final = 10_000
"""Flows of one answer that are judged in Python as well; some 100 ms."""
NAME: Final = "policy"


class AskedWhatIf(BaseModel):
    """A policy, which flows it is to judge, and how many in Python as well."""

    model_config = ConfigDict(extra="forbid")

    policy: str = Field(max_length=POLICY_CHARACTERS)
    where: AskedFilter | None = None
    sample: int = Field(SAMPLE, ge=0, le=SAMPLE_LIMIT)


async def _asked(request: Request, _: View) -> AskedWhatIf:
    """What is asked by who may read; the body is read after that is known.

    Raises:
        HTTPException: As ``asked_in_body``.
    """
    return await asked_in_body(request, AskedWhatIf, BODY_BYTES)


def _candidate(text: str) -> Candidate:
    """The policy that somebody has sent; no file is opened for it.

    Raises:
        HTTPException: 400 where it is none, or names other files.
    """
    try:
        data = text.encode("utf-8")
        return Candidate(parse_policy(data, NAME, Alone()), NAME, lines_of(data, NAME))
    except UnicodeEncodeError:
        raise HTTPException(400, "policy: expected text") from None
    except PolicyFileError as error:
        raise HTTPException(400, str(error)) from None


def _refuse_expressions(candidate: Candidate) -> None:
    """Refuse what runs in this process, and for as long as it likes: a loop in a loop is short.

    Raises:
        HTTPException: 403 where a rule has a condition in CEL or Cedar.
    """
    for rule in candidate.policy.rules:
        for expression in rule.expressions:
            said = f"{NAME}:{rule.line}: a condition in {expression.language}"
            raise HTTPException(403, f"{said}: expected a token with the role admin")


_TREE: Final = {"content": {"application/json": {"schema": {"type": "object"}}}}
_CHANGED: Final = {"responses": {"200": {"description": "What would change.", **_TREE}}}
_REPLAYED: Final = {"responses": {"200": {"description": "The trace, replayed.", **_TREE}}}

replayer: Final = APIRouter(
    prefix="/v1", dependencies=[Depends(once_each)], responses=documented(400, 401, 403, 503)
)


@replayer.post("/whatif", openapi_extra=body_of(AskedWhatIf) | _CHANGED)
def whatif(
    asked: Annotated[AskedWhatIf, Depends(_asked)], request: Request, view: View
) -> Response:
    """Every flow that the caller may see, under a policy; one that names other files is refused.

    One that asks in CEL or Cedar is judged for an administrator.
    """
    where = asked.where.where if asked.where is not None else FlowFilter()
    candidate = _candidate(asked.policy)
    auth: Auth = request.app.state.auth
    if "admin" not in auth.access(request).roles:
        _refuse_expressions(candidate)
    found = what_if(view, candidate, where, sample=asked.sample)
    return answer(found.as_json())


@replayer.get("/replay/{trace_id}", responses=documented(404), openapi_extra=_REPLAYED)
def replayed(
    trace_id: str, asked: Annotated[AskedNothing, Query()], request: Request, view: View
) -> Response:
    """A trace with its prompts proved, judged again by the policy that the server was given."""
    policy = request.app.state.policy
    candidate = Candidate(policy, "the server's policy") if policy is not None else None
    return answer(replay(view, trace_id, candidate).as_json(texts=True))
