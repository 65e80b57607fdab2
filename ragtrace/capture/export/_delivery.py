"""Delivery: a thread that sends what is in a spool, for as long as it takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from ragtrace.capture.export._answer import Answer, Transport
from ragtrace.capture.export._losses import lose
from ragtrace.capture.export._spool import Batch, Spool
from ragtrace.errors import RagtraceError

__all__ = ["Delivery"]

_log = logging.getLogger("ragtrace")

BODY_BYTES: Final = 1024 * 1024
"""Of one request, unless one batch is larger: what waits is sent together."""
SEND_SECONDS: Final = 10.0
"""For one request, unless the exporter is told a shorter time."""
FIRST_SECONDS: Final = 0.5
"""After the first failure; twice as long after each further one."""
LONGEST_SECONDS: Final = 30.0
"""From one try to the next: so soon is a back end found that is there again."""
LONGEST_ASKED: Final = 300.0
"""Seconds that a back end can have us stay away."""
TAKE_OVER_SECONDS: Final = 15.0
"""From one look for what other processes have left to the next."""
JITTER: Final = 0.2
"""Share by which waits differ, so that processes do not all come at once."""


class Delivery:
    """Sends a spool's batches to the back end, oldest first.

    Args:
        signal: ``traces`` or ``logs``.
        spool: What is to be sent.
        connect: Makes the transport, in the thread that sends.
    """

    def __init__(self, signal: str, spool: Spool, connect: Callable[[], Transport]) -> None:
        self._signal, self._spool, self._connect = signal, spool, connect
        self._transport: Transport | None = None
        self._thread: threading.Thread | None = None
        self._more = threading.Event()
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._telling = threading.Lock()  # whether there is more, and whether all is sent
        self._deadline: float | None = None
        self._failures = 0

    def wake(self) -> None:
        """There is something to send."""
        with self._telling:
            self._idle.clear()
            self._more.set()
        if self._thread is None and not self._stop.is_set():
            name = f"ragtrace-{self._signal}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            with suppress(RuntimeError):  # at the exit of Python no thread can start
                thread.start()
                self._thread = thread

    def wait(self, seconds: float) -> bool:
        """Wait until everything is sent; whether it is."""
        return self._thread is None or self._idle.wait(seconds)

    def close(self, deadline: float) -> None:
        """Send what can be sent until ``deadline``, on the monotonic clock, and stop."""
        self._deadline = deadline
        self._stop.set()
        self._more.set()
        if self._thread is None:
            self._drain()
        elif self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        self._spool.take_over()
        while True:
            self._more.clear()
            self._drain()
            if self._stop.is_set():
                break
            if not self._more.wait(TAKE_OVER_SECONDS):
                self._spool.take_over()
        if self._transport is not None:
            self._transport.close()

    def _drain(self) -> None:
        """Send until nothing is left, or nobody takes it any more and we are to stop."""
        one_by_one = False
        while batches := self._spool.oldest(1 if one_by_one else BODY_BYTES):
            left = SEND_SECONDS
            if self._deadline is not None:
                left = min(left, self._deadline - time.monotonic())
                if left <= 0 or self._failures:
                    return  # what waits is sent by who comes next
            answer = self._send(b"".join(body for _, body in batches), left)
            if answer.kind == "later":
                self._wait(answer)
            elif answer.kind == "refused" and len(batches) > 1:
                one_by_one = True  # whichever it is of them
            else:
                self._done([batch for batch, _ in batches], answer)
                one_by_one = one_by_one and answer.kind == "refused"
        with self._telling:
            if not self._more.is_set():
                self._idle.set()

    def _send(self, body: bytes, seconds: float) -> Answer:
        # Late: it loads the propagators, of which ours needs this package whole.
        from opentelemetry.instrumentation.utils import suppress_instrumentation

        try:
            with suppress_instrumentation():
                if self._transport is None:
                    self._transport = self._connect()
                return self._transport.send(body, seconds)
        except RagtraceError as error:
            return Answer("later", why=str(error))
        except Exception as error:  # whatever it is, the batch is kept and the thread goes on
            return Answer("later", why=type(error).__name__)

    def _done(self, batches: Sequence[Batch], answer: Answer) -> None:
        self._spool.done(batches)
        if answer.kind == "refused":
            lose(self._signal, sum(batch.count for batch in batches), answer.why)
        elif answer.rejected:
            lose(self._signal, answer.rejected, "the back end rejected them")
        if self._failures:
            _log.warning("ragtrace: %s are sent again", self._signal)
        self._failures = 0

    def _wait(self, answer: Answer) -> None:
        if not self._failures:
            _log.warning(
                "ragtrace: %s cannot be sent: %s; they wait in %s, and are tried again",
                self._signal,
                answer.why,
                self._spool.where,
            )
        self._failures += 1
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** (min(self._failures, 10) - 1))
        seconds *= random.uniform(1 - JITTER, 1 + JITTER)
        if answer.after is not None:
            seconds = min(max(answer.after, 0.0), LONGEST_ASKED)
        self._stop.wait(seconds)
