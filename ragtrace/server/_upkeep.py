"""Upkeep: what an administrator has a running server do to its store, and what it does daily."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragtrace.errors import StoreError
from ragtrace.server._answers import answer
from ragtrace.server._body import body_of
from ragtrace.server._private import posted
from ragtrace.server._problems import documented
from ragtrace.store import Retention, Store

__all__ = ["keeper", "kept"]

RETAIN_SECONDS: Final = 86_400.0
"""Periods are whole days, so texts whose time is over are looked for once in one."""
PATH_LENGTH: Final = 4096
"""Characters of a path, as most systems have it."""

_log: Final = logging.getLogger("ragtrace.server")


class AskedBackup(BaseModel):
    """Where a backup is to go: an absolute path on the server's machine that is not there yet."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=PATH_LENGTH, pattern=r"^/[^\x00]*$")


_EXPECTED: Final = 'expected {"to": an absolute path of the server\'s machine}'
_Asked = Annotated[AskedBackup, Depends(posted(AskedBackup, _EXPECTED))]

keeper = APIRouter(prefix="/v1/store", responses=documented(400, 401, 403, 503))


@keeper.post("/backup", openapi_extra=body_of(AskedBackup))
def backup(asked: _Asked, request: Request) -> Response:
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
