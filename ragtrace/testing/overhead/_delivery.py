"""Delivery: spans that are lost where the back end is slow, or not there."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Sequence
from typing import Final

from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.overhead._process import WorkerProcess
from ragtrace.testing.overhead._sink import Sink
from ragtrace.testing.overhead._tracers import BASE, OURS, TEXTS

__all__ = ["measure_delivery"]

SLOW_SECONDS: Final = 2.0
"""In which a back end that is slow answers."""
DRAIN_SECONDS: Final = 60.0
"""That whatever is kept has to arrive in, once the back end is fast again."""
QUIET_SECONDS: Final = 8.0
"""Without anything arriving, after which nothing more will."""
EXIT_BAR: Final = 5.0
"""Seconds in which an application has ended, whatever the back end does."""
LOST_BAR: Final = 0.0


def measure_delivery(tracers: Sequence[str], seconds: float, told: Listener) -> list[Row]:
    """Spans lost in a closed loop of so many seconds, of each tracer by itself."""
    rows: list[Row] = []
    names = [name for name in tracers if name not in (BASE, TEXTS)]
    for number, name in enumerate(names):
        told.progress("delivery", number, len(names))
        rows += _slow(name, seconds)
        rows += _dead(name, seconds)
    told.progress("delivery", len(names), len(names))
    return rows


def _slow(name: str, seconds: float) -> list[Row]:
    with Sink() as sink:
        sink.counting = True
        worker = WorkerProcess(name, "langchain", 8, sink.url("one"))
        worker.do("invoke", count=1)
        before = sink.spans.get("one", 0)
        sink.seconds = SLOW_SECONDS
        made = worker.do("for", seconds=seconds)
        sink.seconds = 0.0
        _drained(sink, before + made["spans"])
        lost = made["spans"] - (sink.spans.get("one", 0) - before)
        worker.stop()
    share = 100 * max(0.0, lost) / max(1.0, made["spans"])
    bar = LOST_BAR if name == OURS else None
    return [
        Row("delivery", f"slow: {name}", "spans made", made["spans"], ""),
        Row("delivery", f"slow: {name}", "lost", share, "%", at_most=bar),
        Row("delivery", f"slow: {name}", "flush", made["flush"], "s"),
    ]


def _dead(name: str, seconds: float) -> list[Row]:
    """Nobody listens until the application has ended; then another one of the same starts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    url = f"http://127.0.0.1:{port}/one"
    with tempfile.TemporaryDirectory(prefix="ragtrace-bench-") as spool:
        worker = WorkerProcess(name, "langchain", 8, url, spool)
        made = worker.do("for", seconds=seconds / 2)
        before = worker.do("spans")["spans"]
        began = time.monotonic()
        worker.stop()
        took = time.monotonic() - began
        with Sink(port) as sink:
            sink.counting = True
            again = WorkerProcess(name, "langchain", 8, url, spool)
            wanted = before + again.do("spans")["spans"]
            _drained(sink, wanted)
            lost = wanted - sink.spans.get("one", 0)
            again.stop()
    share = 100 * max(0.0, lost) / max(1.0, before)
    ours = name == OURS
    return [
        Row("delivery", f"dead: {name}", "spans made", made["spans"], ""),
        Row("delivery", f"dead: {name}", "lost", share, "%", at_most=LOST_BAR if ours else None),
        Row("delivery", f"dead: {name}", "flush", made["flush"], "s"),
        Row("delivery", f"dead: {name}", "exit", took, "s", at_most=EXIT_BAR if ours else None),
    ]


def _drained(sink: Sink, wanted: float) -> None:
    end = time.monotonic() + DRAIN_SECONDS
    seen, since = -1, time.monotonic()
    while time.monotonic() < min(end, since + QUIET_SECONDS):
        there = sink.spans.get("one", 0)
        if there >= wanted:
            return
        if there != seen:
            seen, since = there, time.monotonic()
        time.sleep(0.05)
