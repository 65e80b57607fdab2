"""Upkeep: what an administrator has a running server do to its store, and what it does daily."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragtrace.errors import StoreError
from ragtrace.server._answers import answer
from ragtrace.server._auth import Auth
from ragtrace.server._inbound import RefusedError, short_body
from ragtrace.server._problems import documented
from ragtrace.store import Retention, Store

__all__ = ["keeper", "kept"]

RETAIN_SECONDS: Final = 86_400.0
"""Periods are whole days, so texts whose time is over are looked for once in one."""
PATH_LENGTH: Final = 4096
"""Characters of a path, as most systems have it."""

_log: Final = logging.getLogger("ragtrace.server")


BODY_BYTES: Final = 8 * PATH_LENGTH
"""Of a question about a path, whatever JSON makes of its characters."""


class AskedBackup(BaseModel):
    """Where a backup is to go: an absolute path on the server's machine that is not there yet."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=PATH_LENGTH, pattern=r"^/[^\x00]*$")


async def _asked(request: Request) -> AskedBackup:
    """What is asked by who may have everything; the body is read after that is known.

    Raises:
        HTTPException: 401 or 403 where the caller may not, 400 where a web page could have sent
            this (browsers ask before they send JSON to another site), or it says no such thing,
            408 or 413 where it does not end.
    """
    auth: Auth = request.app.state.auth
    access = auth.access(request)
    if "admin" not in access.roles:
        raise HTTPException(403, "this token's roles do not include admin")
    if access.levels is not None or access.tenants is not None:
        raise HTTPException(403, "a copy holds everything: expected a token of all levels, tenants")
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(400, "content-type: expected application/json")
    try:
        return AskedBackup.model_validate_json(await short_body(request, BODY_BYTES))
    except RefusedError as refused:
        raise HTTPException(refused.status, str(refused)) from None
    except ValidationError:
        raise HTTPException(400, _EXPECTED) from None


_EXPECTED: Final = 'expected {"to": an absolute path of the server\'s machine}'
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": AskedBackup.model_json_schema()}},
    }
}

keeper = APIRouter(prefix="/v1/store", responses=documented(400, 401, 403, 503))


@keeper.post("/backup", openapi_extra=_BODY)
def backup(asked: Annotated[AskedBackup, Depends(_asked)], request: Request) -> Response:
    """Copy everything to a directory or ``.zip`` on the server's machine."""
    store: Store = request.app.state.store
    return answer({"to": asked.to, "bytes": store.back_up(Path(asked.to))})


@contextmanager
def kept(store: Store, retention: Retention | None) -> Iterator[None]:
    """Keep the store to ``retention`` at once and every day; without one, leave it as it is.

    Raises:
        StoreError: It cannot be done at once; later failures are logged.
    """
    if retention is None:
        yield
        return
    store.retain(retention)
    over = threading.Event()
    thread = threading.Thread(target=_daily, args=(store, retention, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _daily(store: Store, retention: Retention, over: threading.Event) -> None:
    while not over.wait(RETAIN_SECONDS):
        try:
            store.retain(retention)
        except StoreError as error:
            _log.warning("retention: %s", error)
