"""Losses: telemetry that will never arrive, counted where somebody looks."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Final

from opentelemetry import metrics

from ragtrace.wire import names

__all__ = ["lose", "lost_since"]

_log = logging.getLogger("ragtrace")

EVERY_SECONDS: Final = 60.0
"""From one line of log about a kind of loss to the next: a loss seldom comes alone."""

_counter = metrics.get_meter(names.SCOPE).create_counter(
    names.EXPORT_LOST, "{item}", "Spans and texts that will never arrive, by signal and reason."
)
_lock = threading.RLock()  # an abandoned stream may end, and be lost, in the midst of it
_untold = 0
_said: dict[tuple[str, str], float] = {}
_unsaid: dict[tuple[str, str], int] = {}


def _forked() -> None:
    """A child has none of its parent's threads: one that held the lock will not give it back."""
    global _lock, _untold
    _lock = threading.RLock()
    _untold = 0  # what its parent lost, its parent tells


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def lose(signal: str, count: int, why: str) -> None:
    """Count ``count`` spans or texts as lost: on the metric, for the next span, and in the log.

    Args:
        signal: ``traces`` or ``logs``.
        count: How many; nothing is done for 0.
        why: One of a few sentences, without anything of what is lost.
    """
    global _untold
    if not count:
        return
    _counter.add(count, {"signal": signal, "reason": why})
    kind = (signal, why)
    with _lock:
        _untold += count
        _unsaid[kind] = _unsaid.get(kind, 0) + count
        now = time.monotonic()
        if now - _said.get(kind, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        _said[kind], number = now, _unsaid.pop(kind)
    what = "spans" if signal == "traces" else "log records"
    _log.warning("ragtrace: %d %s are lost: %s", number, what, why)


def lost_since() -> int:
    """How many were lost since this was last asked; for the next span to say."""
    global _untold
    if not _untold:  # nearly always, and a call does not pay for a lock then
        return 0
    with _lock:
        count, _untold = _untold, 0
    return count
