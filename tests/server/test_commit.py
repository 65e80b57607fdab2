"""What group commit promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
from google.rpc.status_pb2 import Status

from ragtrace.server import Limits, create_app
from ragtrace.store import OWNER, Sought, Store
from tests.engine import (
    flow,
    span,
    store,
)
from tests.web import PROTOBUF, Slow, client_of, post, protobuf, run

__all__ = ["store"]


def test_too_much_at_once_is_turned_away() -> None:
    """With 429 and a time to come back, while the rest goes on."""
    slow = Slow()
    limits = Limits(held_bytes=3000, group_seconds=0.0)
    body = protobuf(span(1, flow()))
    answers = run(slow, *[post(body, PROTOBUF)] * 6, limits=limits)
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert {a.headers.get("retry-after") for a in answers if a.status_code == 429} == {"2"}


def test_requests_that_arrive_together_are_written_together() -> None:
    """Fifty requests take a few inserts, and each waits for its own."""
    slow = Slow()
    answers = run(slow, *[post(protobuf(span(n)), PROTOBUF) for n in range(1, 51)])
    assert {answer.status_code for answer in answers} == {200}
    assert sum(slow.writes) == 50
    assert len(slow.writes) < 15


def test_a_group_stops_at_its_size() -> None:
    """No insert grows without bound."""
    slow = Slow()
    calls = [post(protobuf(span(n)), PROTOBUF) for n in range(1, 31)]
    run(slow, *calls, limits=Limits(group_spans=4))
    assert max(slow.writes) <= 4


def test_a_bad_batch_does_not_spoil_the_one_beside_it() -> None:
    """Undecodable and unwritable ones fail alone, and the others are stored."""
    opened = Slow(refuse="poison")
    good = [post(protobuf(span(n)), PROTOBUF) for n in range(1, 21)]
    poison = post(protobuf(replace(span(99), name="poison")), PROTOBUF)
    answers = run(opened, *good[:10], poison, post(b"\xff", PROTOBUF), *good[10:])
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200] * 10 + [503, 400] + [200] * 10
    assert answers[10].headers["retry-after"] == "2"
    assert Status.FromString(answers[10].content).message == "store: write: NO"
    assert sum(opened.writes) == 20


def test_concurrent_batches_are_all_there(store: Store) -> None:
    """Real store, real groups, some bad: exactly the acknowledged ones are read back."""
    calls = [
        post(protobuf(span(n, flow())) if n % 7 else b"\xff\xff", PROTOBUF) for n in range(1, 60)
    ]
    answers = run(store, *calls)
    stored = {row.flow.time_ns for row in store.reach(Sought(names=("doc-0",)), access=OWNER).rows}
    assert [answer.status_code for answer in answers].count(200) == len(stored) == 51


def test_an_unexpected_failure_is_a_503_and_not_the_end() -> None:
    """Whatever the engine's client raises, the server goes on."""

    class Broken(Slow):
        def write(self, spans: Any, contents: Any) -> None:
            if not self.writes:
                self.writes.append(0)
                raise RuntimeError("secret words")
            super().write(spans, contents)

    broken = Broken()
    first, second = (post(protobuf(span(n)), PROTOBUF) for n in (1, 2))

    async def one_after_the_other() -> list[httpx.Response]:
        async with client_of(broken) as client:
            return [await client.request(**first), await client.request(**second)]

    answers = asyncio.run(one_after_the_other())
    assert [answer.status_code for answer in answers] == [503, 200]
    assert b"secret" not in answers[0].content


def test_what_is_in_hand_is_written_before_the_end() -> None:
    """Shutting down drains the queue."""
    slow = Slow(0.2)
    app = create_app(slow, limits=Limits(group_seconds=0.1))  # type: ignore[arg-type]

    async def stop_in_between() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
            app.router.lifespan_context(app),
        ):
            asked = asyncio.create_task(client.request(**post(protobuf(span(1)), PROTOBUF)))
            await asyncio.sleep(0.05)
        return await asked

    assert asyncio.run(stop_in_between()).status_code == 200
    assert slow.writes == [1]
