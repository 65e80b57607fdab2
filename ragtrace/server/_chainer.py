"""Chainer: what was decided is linked into the chain beside the work of receiving it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final

from ragtrace.errors import StoreError
from ragtrace.store import Chain, ChainBrokenError, Decided
from ragtrace.wire import SpanRecord, names

__all__ = ["Chainer"]

ROUND_SECONDS: Final = 2.0
"""Between the beginnings of two rounds: an insert of many entries costs the engine as much as one
of few."""
SHARE: Final = 0.2
"""Of one core that linking takes at most while telemetry arrives faster than it can link: it then
falls behind, and catches up when there is room."""
WAITING: Final = 50_000
"""Decisions that wait at most, some 15 MB. Of more, none is lost: they are looked for again."""
SEAL_ENTRIES: Final = 10_000
"""Unsealed entries after which a head is signed at once."""
SEAL_SECONDS: Final = 60.0
"""How long an entry waits for a head: what was sealed cannot be taken back unnoticed."""
BATCH: Final = 2_000
"""Decisions linked at once, what the chain asks and writes in one go; the clock is looked at in
between. A batch costs six statements, whatever is in it."""
CLOSE_SECONDS: Final = 10.0
"""How long closing links what waits; the rest is linked at the next start."""

_log: Final = logging.getLogger("ragtrace.server")


class Chainer:
    """Links decisions as they are stored, in one thread; nothing waits for it.

    Args:
        chain: Where to.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._waiting: set[Decided] = set()
        self._missed = True  # what was stored before it started
        self._due = time.monotonic() + SEAL_SECONDS
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.broken: str | None = None
        """Why nothing is linked any more, where that is so."""

    def start(self) -> None:
        """Begin, with every decision that has no entry yet."""
        self._thread = threading.Thread(target=self._run, name="ragtrace-chain", daemon=True)
        self._thread.start()

    def note(self, spans: Iterable[SpanRecord]) -> None:
        """Link what was decided on these spans, which are stored by now."""
        decided = [
            (span.start_ns, span.trace_id, span.span_id)
            for span in spans
            if names.DECISION_ACTION in span.attributes
        ]
        with self._changed:
            if len(self._waiting) + len(decided) > WAITING:
                self._missed = True
            else:
                self._waiting.update(decided)

    def close(self) -> None:
        """Link what waits, as far as there is time, seal the chain and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._round(time.monotonic() + CLOSE_SECONDS)
        self._seal()

    def _run(self) -> None:
        while not self._closed:
            began = time.monotonic()
            self._round(began + ROUND_SECONDS)
            took = time.monotonic() - began
            if self._chain.unsealed >= SEAL_ENTRIES or time.monotonic() >= self._due:
                self._seal()
            with self._changed:
                rest = max(ROUND_SECONDS - took, took * (1 / SHARE - 1))
                self._changed.wait_for(lambda: self._closed, rest)

    def _round(self, until: float) -> None:
        """Link what waits, and then what was missed, until then."""
        with self._changed:
            waiting, self._waiting = sorted(self._waiting), set()
        while waiting and time.monotonic() < until and self._append(waiting[:BATCH]):
            waiting = waiting[BATCH:]
        with self._changed:
            self._waiting.update(waiting)
            catch_up, self._missed = self._missed and not waiting, self._missed and bool(waiting)
        if catch_up and not self._catch_up(until):
            self._missed = True

    def _catch_up(self, until: float) -> bool:
        """Whether every decision has an entry now."""
        try:
            for batch in self._chain.missing():
                if time.monotonic() >= until or not self._append(batch):
                    return False
        except StoreError as error:
            _log.warning("decisions without an entry were not looked up: %s", error)
            return False
        return True

    def _append(self, decided: list[Decided]) -> bool:
        if self.broken is not None:
            return False
        try:
            self._chain.append(decided)
        except ChainBrokenError as error:
            self.broken = str(error)
            _log.error("nothing is linked any more: %s", error)
        except Exception as error:  # the engine's, whatever it raises: the server goes on
            _log.warning("decisions were not linked, and will be: %s", error)
        else:
            return True
        return False

    def _seal(self) -> None:
        self._due = time.monotonic() + SEAL_SECONDS
        if self.broken is not None:
            return
        try:
            self._chain.seal()
        except ChainBrokenError as error:
            self.broken = str(error)
            _log.error("nothing is sealed any more: %s", error)
        except Exception as error:
            _log.warning("the chain was not sealed, and will be: %s", error)
