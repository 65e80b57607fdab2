"""Guarded: ragtrace's own failures stay its own; a verdict always gets through."""

from __future__ import annotations

import logging
import os
from collections import Counter

from ragtrace.errors import PolicyBlocked

__all__ = ["failures", "guarded", "ignored"]

_log = logging.getLogger("ragtrace")
_failures: Counter[str] = Counter()


class guarded:
    """Run telemetry that may fail: swallow, count and log everything but a verdict.

    Only the exception's class is logged, because its message may quote a document. Under
    pytest everything is raised, so that a test sees what a user would not.
    """

    # A class and no generator: a call passes twenty of these, and a generator takes thrice as long.
    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, PolicyBlocked):
            return False
        if "PYTEST_CURRENT_TEST" in os.environ:
            return False
        _failures[self._what] += 1
        _log.warning("ragtrace: %s failed with %s; the application goes on", self._what, kind)
        return True


def ignored(what: str, why: str, count: int = 1) -> None:
    """Count things that cannot be used, and log the first of each kind.

    Args:
        what: They are.
        why: Not; one of a few sentences, without anything of what they hold.
        count: How many.
    """
    name = f"{what}: {why}"
    if name not in _failures:
        _log.warning("ragtrace: %s; it is left out, and so is every other like it", name)
    _failures[name] += count


def failures() -> dict[str, int]:
    """How often each kind of telemetry has failed in this process, and what was left out."""
    return dict(_failures)
