"""Readers: requests at the same time, and one after the other, each for its own reader."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ragtrace.capture import request
from ragtrace.testing.conformance._adapter import Path
from ragtrace.testing.conformance._secret import PUBLIC, REWORDED, SECRET, leaks, question
from ragtrace.testing.conformance._stage import Stage, told

__all__ = [
    "keeps_labels_of_answers",
    "never_mixes_streams",
    "never_mixes_tasks",
    "never_mixes_threads",
]

AT_ONCE = 8
"""Requests at the same time, every other one staff's."""


def never_mixes_threads(stage: Stage) -> None:
    """Requests on threads of their own are each for their own reader."""
    stage.start("drop")
    path = stage.adapter.paths[0]
    readers = ["customer", "staff"] * (AT_ONCE // 2)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        got = list(pool.map(lambda reader: stage.take(path, reader), readers))
    _check(stage, readers, got)


def never_mixes_tasks(stage: Stage) -> None:
    """Requests on tasks of one loop are each for their own reader."""
    stage.start("drop")
    path = next(filter(_is_async, stage.adapter.paths), stage.adapter.paths[0])
    readers = ["customer", "staff"] * (AT_ONCE // 2)

    async def one(reader: str) -> str:
        with stage.kit() as kit, request(reader):
            if _is_async(path):
                got = await path.run(kit, question(reader))
            else:
                got = await asyncio.to_thread(path.run, kit, question(reader))
            return f"{got!r}\n{kit.heard}"

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(one, readers))

    _check(stage, readers, asyncio.run(all_of_them()))


def never_mixes_streams(stage: Stage) -> None:
    """Streams that are read by turns are each for their own reader, to the last piece."""
    stage.start("context_only")
    stage.take(stage.adapter.paths[0], "staff")  # now the process knows the note
    with stage.kit() as kit:
        open_streams: dict[str, Any] = {}
        got: dict[str, list[Any]] = {"staff": [], "customer": []}
        for reader in got:
            with request(reader):
                open_streams[reader] = stream = kit.stream(SECRET, question(reader))
                got[reader].append(next(stream))
        while open_streams:
            for reader, stream in list(open_streams.items()):
                piece = next(stream, None)
                if piece is None:
                    del open_streams[reader]
                else:
                    got[reader].append(piece)
    assert not leaks(repr(got["customer"])), "a customer's stream says the secret"
    assert "[withheld]" not in repr(got["staff"]), "staff's stream was guarded"


def _is_async(path: Path) -> bool:
    return inspect.iscoroutinefunction(path.run) and path.known and path.opens and path.whole


def _check(stage: Stage, readers: list[str], got: list[str]) -> None:
    for reader, received in zip(readers, got, strict=True):
        assert leaks(received) == (reader == "staff"), f"{reader} got {received}"
    if stage.wire.bodies:
        assert not any(map(leaks, stage.wire.of("customer"))), "the secret was sent for a customer"
        assert all(map(leaks, stage.wire.of("staff"))), "staff's model was not shown the note"


def keeps_labels_of_answers(stage: Stage) -> None:
    """What a model made of the secret, in other words, is judged like it in a later request."""
    stage.start("drop")
    stage.wire.says = REWORDED
    stage.take(stage.adapter.paths[0], "staff")
    stage.wire.clear()
    with stage.kit() as kit, request("customer"):
        told(lambda: kit.ask(f"{REWORDED}\n\n{PUBLIC}", question("customer")))
    sent = "\n".join(stage.wire.of("customer"))
    assert REWORDED not in sent, "an answer made of the secret reached the model"
    assert PUBLIC in sent, "what is public did not reach the model"
