"""What is told of the server's health, and that telling waits for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from ragtrace.errors import StoreError
from ragtrace.server import Client
from ragtrace.server._health import LOOK_SECONDS, THREAD, Pulse
from ragtrace.store import OWNER, Store
from tests.engine import store
from tests.web import client_of, get, served

__all__ = ["store"]  # the fixture


def settled(pulse: Pulse) -> int | None:
    """What a look finds once it has ended."""
    pulse.broken_parts()
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(10)
    return pulse.broken_parts()


def test_health_is_told_while_every_reader_is_busy(store: Store) -> None:
    """Liveness is not for a long question to hold up."""
    go_on, busy = threading.Event(), threading.Barrier(5)

    def question() -> None:
        with store._engine.reading("test"):
            busy.wait(10)
            go_on.wait(20)

    threads = [threading.Thread(target=question) for _ in range(4)]
    for thread in threads:
        thread.start()
    busy.wait(10)

    async def ask() -> dict[str, object]:
        async with client_of(store) as client:
            answer = await asyncio.wait_for(client.request(**get("/healthz")), 10)
            found: dict[str, object] = answer.json()
            return found

    try:
        health = asyncio.run(ask())
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert (health["status"], health["broken_parts"]) == ("ok", None)


def test_what_is_broken_is_told_after_a_look(store: Store) -> None:
    """The command that checks a store waits for one."""
    with served(store) as url, Client(url) as client:
        assert client.broken_parts() == 0
        assert client.health()["broken_parts"] == 0
    assert store.stats(access=OWNER).broken_parts == 0


def test_one_look_is_taken_for_all_who_ask() -> None:
    """And another only after a while."""
    looks: list[int] = []
    now = [0.0]
    pulse = Pulse(lambda: looks.append(1) or len(looks), lambda: now[0])  # type: ignore[func-returns-value]
    assert [settled(pulse) for _ in range(3)] == [1, 1, 1]
    now[0] += LOOK_SECONDS
    assert settled(pulse) == 2
    assert not pulse.is_well


def test_a_store_that_cannot_be_asked_is_not_well() -> None:
    """Until it can be again."""
    now = [0.0]
    answers: list[Callable[[], int]] = [_fails, lambda: 0]
    pulse = Pulse(lambda: answers.pop(0)(), lambda: now[0])
    assert (settled(pulse), pulse.is_well) == (None, False)
    now[0] += LOOK_SECONDS
    assert (settled(pulse), pulse.is_well) == (0, True)


def _fails() -> int:
    raise StoreError("store: health: NO")
