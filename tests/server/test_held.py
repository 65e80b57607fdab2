"""What the server promises where senders are slow, or go away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ragtrace.errors import StoreError
from ragtrace.server import Limits, create_app
from ragtrace.server._inbound import Inbound
from tests.engine import span
from tests.web import PROTOBUF, Slow, post, protobuf


class Stuck(Slow):
    """A store that writes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__(0)
        self.go_on = threading.Event()

    def write(self, spans: Any, contents: Any) -> None:
        self.go_on.wait(20)
        super().write(spans, contents)


def test_what_a_client_left_behind_is_held_until_it_is_written() -> None:
    """Else those who send and go away fill the memory, and nobody is turned away."""
    stuck = Stuck()
    app = create_app(stuck, limits=Limits(group_seconds=0.0))  # type: ignore[arg-type]
    body = protobuf(span(1))

    async def come_and_go() -> tuple[int, int]:
        intake = app.state.intake
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for _ in range(5):
                call = asyncio.create_task(client.request(**post(body, PROTOBUF)))
                await asyncio.sleep(0.05)
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await call
            held = intake.inbound.held
            stuck.go_on.set()
            await intake.commit.close()
            await asyncio.sleep(0)
        return held, intake.inbound.held

    assert asyncio.run(come_and_go()) == (5 * len(body), 0)
    assert sum(stuck.writes) == 5


def test_what_failed_is_held_no_longer() -> None:
    """Work that raises gives back what it held, waited for or not."""

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise StoreError("no")

    async def once() -> int:
        inbound = Inbound(Limits())
        with pytest.raises(StoreError), inbound.holding() as held:
            held.take(7)
            await held.until(fails())
        return inbound.held

    assert asyncio.run(once()) == 0


def test_a_body_that_stalls_is_given_up() -> None:
    """With 429 after a while; what had come of it is no longer held."""
    app = create_app(Slow(0), limits=Limits(read_seconds=0.05))  # type: ignore[arg-type]

    async def stalling() -> AsyncIterator[bytes]:
        yield protobuf(span(1))
        await asyncio.sleep(20)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/v1/traces", content=stalling(), headers=PROTOBUF)

    answer = asyncio.run(asyncio.wait_for(once(), 10))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert b"too long" in answer.content
    assert app.state.intake.inbound.held == 0
