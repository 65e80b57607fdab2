"""The application: OTLP in, answers out, one store behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from fastapi import FastAPI

from ragtrace.policy import Policy
from ragtrace.server._adopt import Adopter
from ragtrace.server._ask import asker, health
from ragtrace.server._auth import Auth
from ragtrace.server._chain import linker
from ragtrace.server._chainer import Chainer
from ragtrace.server._commit import GroupCommit
from ragtrace.server._document import describe
from ragtrace.server._evidence import bundler
from ragtrace.server._health import Pulse
from ragtrace.server._inbound import Inbound
from ragtrace.server._intake import Intake
from ragtrace.server._keys import keyholder
from ragtrace.server._limits import Limits
from ragtrace.server._passage import finder
from ragtrace.server._peer import Peer
from ragtrace.server._problems import explain
from ragtrace.server._receive import receiver
from ragtrace.server._sender import ANY_SENDER, Sender
from ragtrace.server._settler import Settler
from ragtrace.server._upkeep import keeper
from ragtrace.server._whatif import replayer
from ragtrace.server.dashboard import add_dashboard
from ragtrace.store import Chain, Store
from ragtrace.wire import SpanRecord

__all__ = ["create_app"]

DEFAULT_LIMITS = Limits()


class _Follower(Protocol):
    """Works in a thread of its own on what was stored."""

    def start(self) -> None: ...
    def note(self, spans: Iterable[SpanRecord], /) -> None: ...
    def close(self) -> None: ...


def create_app(
    store: Store,
    *,
    limits: Limits = DEFAULT_LIMITS,
    auth: Auth | None = None,
    certified: bool = False,
    policy: Policy | None = None,
    chain: Chain | None = None,
) -> FastAPI:
    """Build the server.

    Args:
        store: Stays the caller's to close.
        limits: Bounds on what arrives.
        auth: Who may send and who may see what; without it, loopback peers may, and nobody else.
        certified: Whether every peer has shown a certificate; it may then send, unless ``auth``
            asks senders for tokens.
        policy: Labels what applications without ragtrace have retrieved.
        chain: Where decisions are linked to each other; without one they are not.

    Returns:
        The application; ``state.intake`` is the way into the store, which gRPC shares.
    """
    auth = auth or Auth()
    commit = GroupCommit(store.write, limits)
    sender = auth.sender if auth.senders_known or not certified else _anybody
    adopter = Adopter(policy)
    followers: list[_Follower] = [Settler(store, adopter)]
    if chain is not None:
        followers.append(Chainer(chain))

    def stored(spans: Sequence[SpanRecord]) -> None:
        for one in followers:
            one.note(spans)

    intake = Intake(commit, limits, sender, Inbound(limits), adopter.adopt, stored)
    # The document, and no page that shows it: such a page loads scripts from elsewhere.
    app = FastAPI(
        title="ragtrace",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(commit, followers),
    )
    app.state.store = store
    app.state.auth = auth
    app.state.policy = policy
    app.state.pulse = Pulse(lambda: store.broken_parts())
    app.state.intake = intake
    app.state.chain = chain
    app.include_router(receiver(intake), include_in_schema=False)
    for router in (asker, finder, linker, bundler, keeper, keyholder, replayer, health):
        app.include_router(router)
    explain(app, limits.retry_after_seconds)
    describe(app)
    add_dashboard(app, store, auth)
    return app


def _lifespan(
    commit: GroupCommit, followers: Sequence[_Follower]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What follows the intake begins with the server, and ends once all is stored."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for one in followers:
            one.start()
        yield
        await commit.close()
        for one in followers:
            await asyncio.to_thread(one.close)

    return lifespan


def _anybody(_: Peer) -> Sender:
    return ANY_SENDER
