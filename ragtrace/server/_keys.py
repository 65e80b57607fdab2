"""Keys: what the vault has, what was shredded and who read what, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragtrace.server._answers import answer
from ragtrace.server._asked import PAGE, PAGE_LIMIT, AskedNothing, MomentIfAny, once_each
from ragtrace.server._body import body_of
from ragtrace.server._private import everything, posted
from ragtrace.server._problems import documented
from ragtrace.store import OWNER, Reading, Store, VaultLevel

__all__ = ["keyholder"]

NAME_LENGTH: Final = 2000
"""Characters of a name; nothing that is stored is called anything longer."""
WORDS: Final = 1000
"""Characters of who, and of why."""

keyholder: Final = APIRouter(prefix="/v1", responses=documented(400, 401, 403, 503))
Everything = Annotated[Store, Depends(everything)]


@dataclass(frozen=True, slots=True)
class ShredTold:
    """A shredding on record."""

    id: str
    time_ns: int
    kind: str
    name: str
    by: str
    reason: str
    texts: int
    keys: int


@dataclass(frozen=True, slots=True)
class VaultTold:
    """Keys and texts by level, and what was shredded, the oldest first."""

    levels: tuple[VaultLevel, ...]
    shreds: tuple[ShredTold, ...]


@dataclass(frozen=True, slots=True)
class ReadingsTold:
    """Readings of texts, the newest first."""

    readings: tuple[Reading, ...]


class AskedReadings(AskedNothing):
    """Which readings."""

    since: MomentIfAny = Field(None, description="Not before; or so long ago, as in 30d.")
    limit: int = Field(PAGE, ge=1, le=PAGE_LIMIT, description="At most so many.")


class AskedShred(BaseModel):
    """What is to be shredded, by whom and why."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["document", "user", "session", "level"]
    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    derived: bool = False
    dry_run: bool = False
    by: str = Field("", max_length=WORDS)
    reason: str = Field("", max_length=WORDS)


_EXPECTED: Final = (
    'expected {"kind": document, user, session or level, "name", "by", "reason"}, and "derived" '
    'or "dry_run" where that is meant'
)
_Asked = Annotated[AskedShred, Depends(posted(AskedShred, _EXPECTED))]


@keyholder.get("/vault", response_model=VaultTold, dependencies=[Depends(once_each)])
def vault(asked: Annotated[AskedNothing, Query()], store: Everything) -> Response:
    """How many keys and texts the vault has, and what was shredded."""
    return answer(
        {
            "levels": [one.as_json() for one in store.vault_levels()],
            "shreds": [one.told() for one in store.shreds()],
        }
    )


@keyholder.get("/readings", response_model=ReadingsTold, dependencies=[Depends(once_each)])
def readings(asked: Annotated[AskedReadings, Query()], store: Everything) -> Response:
    """Who was given which texts, or refused them, the newest first; never a text."""
    found = store.readings(asked.since or 0, asked.limit, access=OWNER)
    return answer({"readings": [one.as_json() for one in found]})


@keyholder.post("/vault/shred", openapi_extra=body_of(AskedShred))
def shred(asked: _Asked, request: Request) -> Response:
    """Destroy keys of a document, user, session or level; ``dry_run`` only says how many."""
    store: Store = request.app.state.store
    told: dict[str, Any]
    if asked.dry_run:
        told = store.plan_shred(asked.kind, asked.name, derived=asked.derived).as_json()
    else:
        record = store.shred(
            asked.kind, asked.name, by=asked.by, reason=asked.reason, derived=asked.derived
        )
        told = record.told()
    return answer(told)
