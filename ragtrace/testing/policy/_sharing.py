"""Sharing: what a ledger that several processes share adds to a call."""

from __future__ import annotations

import os
import random
import string
from collections.abc import Iterator
from typing import Final, NamedTuple

from ragtrace.capture import Ledger, Shared
from ragtrace.errors import MissingDependencyError
from ragtrace.model import Chunk, Document, Label, Source, digest
from ragtrace.testing._redis import LocalRedis
from ragtrace.testing.bench import Listener, Row, Silent, interleaved

__all__ = ["BAR_MS", "measure_sharing"]

BAR_MS: Final = 1.0
"""Milliseconds that a shared ledger may add to a step, with a Redis that is near."""

CHUNKS: Final = 10
"""What a retriever brings."""

CHARACTERS: Final = 2_000
"""Of a chunk, and of a completion."""

LOOK: Final = "looking for news, and there are none"
ONE: Final = "telling of a completion"
TEN: Final = f"telling of {CHUNKS} chunks"
NEWS: Final = f"looking, and taking in {CHUNKS} chunks"


class _Told(NamedTuple):
    """What nobody has been told before."""

    completion: Chunk
    chunks: list[Chunk]


def measure_sharing(turns: int, listener: Listener | None = None) -> Iterator[Row]:
    """The time of each step between two ledgers and a Redis on this machine.

    Nothing, with a note to the listener, where there is no Redis to start or no client for it.

    Args:
        turns: Of each step.
        listener: Is told.
    """
    listener = listener or Silent()
    if not LocalRedis.installed():
        listener.note("the shared ledger is not measured: no redis-server is installed")
        return
    with LocalRedis() as server:
        key = os.urandom(32)
        try:
            here, there = Shared(server.url, key), Shared(server.url, key)
        except MissingDependencyError as missing:
            listener.note(f"the shared ledger is not measured: {missing}")
            return
        yield from _rows(here, there, turns)


def _rows(here: Shared, there: Shared, turns: int) -> Iterator[Row]:
    taking = Ledger()
    taking.shared = here

    def told(number: int) -> _Told:
        """Each step finds the ledger as it is when there is no news."""
        taking.look()
        return _told()

    def news(number: int) -> _Told:
        made = told(number)
        there.publish(made.chunks)
        return made

    quiet = interleaved(
        {
            LOOK: lambda _: taking.look(),
            ONE: lambda made: here.publish([made.completion]),
            TEN: lambda made: here.publish(made.chunks),
        },
        told,
        dict.fromkeys((LOOK, ONE, TEN), turns),
    )
    busy = interleaved({NEWS: lambda _: taking.look()}, news, {NEWS: turns})
    for subject, timed in {**quiet, **busy}.items():
        bar = None if subject == NEWS else BAR_MS
        yield Row("shared ledger", subject, "median", timed.median * 1e3, "ms", at_most=bar)
        yield Row("shared ledger", subject, "p99", timed.p99 * 1e3, "ms")


def _told() -> _Told:
    return _Told(_chunk(), [_chunk() for _ in range(CHUNKS)])


def _chunk() -> Chunk:
    text = "".join(random.choices(string.ascii_lowercase + "     ", k=CHARACTERS))
    name = digest(text)
    document, source = Document(name[:16]), Source("bench")
    return Chunk(name[:16], document, source, text, name, Label("restricted"), "metadata:label")
