"""Export: one signal's way out of the process, at no cost of the caller's time."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, TypeVar

from ragtrace.capture._guarded import guarded
from ragtrace.capture.export._answer import Transport
from ragtrace.capture.export._bell import Bell
from ragtrace.capture.export._delivery import Delivery
from ragtrace.capture.export._losses import lose
from ragtrace.capture.export._spool import Spool

__all__ = ["Export"]

T = TypeVar("T")

CLOSE_SECONDS: Final = 2.0
"""To send what is left at the exit, for each of two signals; what is not sent by then waits on
disk."""
FLUSH_SECONDS: Final = 5.0
"""That a flush waits at most, whatever its caller is ready to."""
BATCH_ITEMS: Final = 256
"""Spans or records that are encoded at once, in 10 ms or so; the thread that makes them waits for
no longer than Python lets another run."""


class Export(Generic[T]):
    """A queue, a thread that makes batches of it into the spool, and one that sends those.

    Threads start with the first item, and again in a child after a fork: what the parent has
    queued is the parent's.

    Args:
        signal: ``traces`` or ``logs``.
        encode: Makes one body of several items.
        spool: Where bodies wait.
        connect: Makes the transport.
        delay: Seconds that an item may be in the queue: what a process that is killed loses.
        most: Items in the queue; more are lost, and counted.
    """

    def __init__(
        self,
        signal: str,
        encode: Callable[[Sequence[T]], bytes],
        spool: Spool,
        connect: Callable[[], Transport],
        delay: float,
        most: int,
    ) -> None:
        self._signal, self._encode, self._connect = signal, encode, connect
        self._delay, self._most = delay, most
        self._begin(spool)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_after_fork, weakref.ref(self)))

    def _begin(self, spool: Spool) -> None:
        self._spool = spool
        self._queue: deque[T] = deque()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._some = Bell()
        self._many = Bell()
        self._writer: threading.Thread | None = None
        self._delivery = Delivery(self._signal, spool, self._connect)
        self._closed = False

    def forked(self) -> None:
        """Begin anew, in a child."""
        if not self._closed:
            self._begin(self._spool.forked())

    def put(self, item: T) -> None:
        """Have ``item`` sent; a few microseconds, and never more."""
        queue = self._queue
        if self._closed or len(queue) >= self._most:
            lose(self._signal, 1, "it came too late" if self._closed else "the queue is full")
            return
        queue.append(item)
        if not self._some.rung:
            self._some.ring()
            if self._writer is None:
                self._start()
        elif len(queue) >= BATCH_ITEMS and not self._many.rung:
            self._many.ring()

    def flush(self, seconds: float) -> bool:
        """Send what was put so far; whether it is, after at most ``seconds``."""
        self._write()
        return self._delivery.wait(min(seconds, FLUSH_SECONDS))

    def close(self) -> None:
        """Send what can be sent in CLOSE_SECONDS, and leave the rest in the spool."""
        if self._closed:
            return
        deadline = time.monotonic() + CLOSE_SECONDS
        self._closed = True
        self._some.ring()
        self._many.ring()
        self._write()
        self._delivery.close(deadline)
        self._spool.close()

    def _start(self) -> None:
        with self._starting:
            if self._writer is not None or self._closed:
                return
            name = f"ragtrace-{self._signal}-spool"
            self._writer = threading.Thread(target=self._run, name=name, daemon=True)
            with suppress(RuntimeError):  # at the exit of Python no thread can start: close writes
                self._writer.start()

    def _run(self) -> None:
        while not self._closed:
            self._some.wait()
            self._many.wait(self._delay)
            # Before the queue is looked at: what is put from here on sets them again.
            self._some.clear()
            self._many.clear()
            self._write()

    def _write(self) -> None:
        with self._writing:
            queue = self._queue
            while queue:
                items = [queue.popleft() for _ in range(min(len(queue), BATCH_ITEMS))]
                written = False
                with guarded("export"):
                    self._spool.put(self._encode(items), len(items))
                    written = True
                if not written:
                    lose(self._signal, len(items), "they could not be encoded")
                self._delivery.wake()


def _after_fork(export: weakref.ref[Export[Any]]) -> None:
    alive = export()
    if alive is not None:
        alive.forked()
