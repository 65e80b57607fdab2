"""Bench: what is taken in, how fast, how safely, in how much room, and how it is found again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ragtrace.testing.bench import Listener, Row, Silent
from ragtrace.testing.ingest._crash import measure_crash
from ragtrace.testing.ingest._disk import measure_disk
from ragtrace.testing.ingest._phoenix import PEER, measure_phoenix, phoenix_disk, phoenix_python
from ragtrace.testing.ingest._speed import measure_speed
from ragtrace.testing.store import measure_questions

__all__ = ["FULL", "QUICK", "SECTIONS", "Effort", "measure"]

SECTIONS: Final = ("speed", "crash", "disk", "questions")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of each is done.

    Attributes:
        seconds: Of load.
        peer_seconds: Of load on the peer, whose queue takes as long again to be written.
        kills: Of the server.
        calls: Stored to see what they take.
        flows: Stored before questions are asked of them.
        keep: Where they stay; in a directory that is gone afterwards, without it.
    """

    seconds: float
    peer_seconds: float
    kills: int
    calls: int
    flows: int
    keep: Path | None = None


FULL: Final = Effort(seconds=60, peer_seconds=30, kills=50, calls=20_480, flows=10_000_000)
"""Some seven minutes."""

QUICK: Final = Effort(seconds=10, peer_seconds=10, kills=5, calls=5_120, flows=300_000)
"""A minute and a half, for a look while working."""


def measure(section: str, effort: Effort, listener: Listener | None = None) -> Iterator[Row]:
    """The rows of one section, in directories that are gone afterwards, but the one to keep.

    Raises:
        StoreError: A server does not start, or takes nothing in.
        ConfigError: The peer that is named does not start.
    """
    listener = listener or Silent()
    if section == "questions":
        yield from measure_questions(effort.flows, listener, effort.keep)
        return
    python = phoenix_python()
    if python is None and section != "crash":
        listener.note(f"without Phoenix: {PEER} does not name a Python that has it")
    with tempfile.TemporaryDirectory(prefix="ragtrace-ingest-") as home:
        ours, theirs = Path(home) / "store", Path(home) / "phoenix"
        if section == "speed":
            yield from measure_speed(ours, effort.seconds, listener)
            if python is not None:
                yield from measure_phoenix(python, theirs, effort.peer_seconds, listener)
        elif section == "crash":
            yield from measure_crash(ours, effort.kills, listener)
        else:
            yield from measure_disk(ours, effort.calls, listener)
            if python is not None:
                yield from phoenix_disk(python, theirs, effort.calls // 4, listener)
