"""Settler: the traces of other tracers are settled some time after their spans came."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Final

from ragtrace.server._adopt import Adopter
from ragtrace.server._settle import Settled, rewrite, take_back
from ragtrace.store import Store, TraceNotFoundError, adopted_traces
from ragtrace.wire import SpanRecord, names

__all__ = ["Settler"]

DELAYS: Final = (8.0, 60.0, 600.0)
"""Seconds until a trace is settled, and again while spans of it are missing. Exporters send every
five seconds; a collector or a spool on the way takes longer, and after ten minutes the rest of a
trace is hardly ever to come."""

ROUND_SECONDS: Final = 2.0
"""Between the beginnings of two rounds. What is taken back in one goes in one statement: the engine
writes a part of every partition anew for each."""

AT_ONCE: Final = 500
"""Traces of one round at most: what is to be taken back of them is held until its end."""

WAITING: Final = 20_000
"""Traces that wait at most, some 5 MB. Of more, the newest are left out, counted, and settled at
the next start if that is soon."""

AT_START_SECONDS: Final = 900
"""How far back a server looks at its start: what was waiting when the last one ended."""

DRAIN_SECONDS: Final = 20.0
"""How long closing takes at most: less than the server's own grace."""

_log: Final = logging.getLogger("ragtrace.server")


class Settler:
    """Settles the traces that it is told of, in one thread, some seconds later.

    Nothing waits for it. What fails is logged, counted and tried again.

    Args:
        store: Holds the traces.
        adopter: The one that adopted their spans.
        delays: Seconds to the first and every further time, while spans are missing.
    """

    def __init__(self, store: Store, adopter: Adopter, delays: Sequence[float] = DELAYS) -> None:
        self._store, self._adopter, self._delays = store, adopter, delays
        self._due: list[tuple[float, int, str, int]] = []
        self._queued: set[str] = set()
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.failed = 0
        """Times that settling a trace failed."""
        self.left_out = 0
        """Traces that were not settled because too many waited."""

    def start(self) -> None:
        """Begin, with the traces of the last minutes."""
        self._thread = threading.Thread(target=self._run, name="ragtrace-settle", daemon=True)
        self._thread.start()

    def note(self, spans: Iterable[SpanRecord]) -> None:
        """Settle the traces of these spans, which are stored by now, where they may hold more."""
        traces = {span.trace_id for span in spans if names.TRACER in span.attributes}
        for trace_id in [*filter(self._adopter.is_open, traces), *self._adopter.reopened()]:
            self._queue(trace_id, 0)

    def close(self) -> None:
        """Settle what is waiting, as far as there is time, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.drain(DRAIN_SECONDS)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Settle what is waiting now, each once."""
        end = time.monotonic() + seconds
        with self._changed:
            waiting = [trace_id for *_, trace_id, _ in sorted(self._due)]
            self._due.clear()
            self._queued.clear()
        self._settle(itertools.takewhile(lambda _: time.monotonic() <= end, waiting))
        if time.monotonic() > end:
            _log.warning("some of %d traces are settled at the next start", len(waiting))

    def _queue(self, trace_id: str, time_around: int) -> None:
        with self._changed:
            if trace_id in self._queued or time_around >= len(self._delays):
                return
            if len(self._due) >= WAITING:
                self.left_out += 1
                return
            due = time.monotonic() + self._delays[time_around]
            heapq.heappush(self._due, (due, next(self._number), trace_id, time_around))
            self._queued.add(trace_id)
            self._changed.notify()

    def _run(self) -> None:
        self._queue_recent()
        while due := self._next():
            until = time.monotonic() + ROUND_SECONDS
            done = self._settle(itertools.takewhile(lambda _: not self._closed, due))
            for trace_id, time_around in due.items():
                if trace_id not in done:
                    self._queue(trace_id, time_around + (not self._closed))
            with self._changed:
                self._changed.wait_for(lambda: self._closed, until - time.monotonic())

    def _next(self) -> dict[str, int]:
        """What is due, once something is, each with how often it was; nothing when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                due: dict[str, int] = {}
                while self._due and self._due[0][0] <= now and len(due) < AT_ONCE:
                    _, _, trace_id, time_around = heapq.heappop(self._due)
                    self._queued.discard(trace_id)
                    due[trace_id] = time_around
                if due:
                    return due
                self._changed.wait(self._due[0][0] - now if self._due else None)
            return {}

    def _queue_recent(self) -> None:
        since = time.time_ns() - AT_START_SECONDS * 10**9
        try:
            recent = adopted_traces(self._store, since, WAITING)
        except Exception as error:
            self.failed += 1
            _log.warning("the last traces were not looked up: %s", type(error).__name__)
            return
        for trace_id in recent:
            self._queue(trace_id, 0)

    def _settle(self, trace_ids: Iterable[str]) -> set[str]:
        """Those of the traces of which nothing is left to do."""
        done: dict[str, Settled] = {}
        for trace_id in trace_ids:
            try:
                done[trace_id] = rewrite(self._store, self._adopter, trace_id)
            except TraceNotFoundError:
                continue
            except Exception as error:
                self._failed(error)
        try:
            take_back(self._store, done.values())
        except Exception as error:
            self._failed(error)
            return set()
        return {trace_id for trace_id, one in done.items() if one.whole}

    def _failed(self, error: Exception) -> None:
        self.failed += 1
        _log.warning("a trace was not settled: %s", type(error).__name__)
