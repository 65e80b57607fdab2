"""Lock: one that its own thread may come back to in the middle of what it does."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ragtrace.capture._guarded import guarded

__all__ = ["Lock", "renewed_in_child"]


class Lock:
    """Keeps other threads out, and has its own thread do afterwards what must not come between.

    Garbage collection ends abandoned streams, in whatever thread makes it run: also in one that
    holds this lock, half-way through a change. What would wait for that thread would wait for
    ever, and what would go on would find things half changed.

    Args:
        brief: Held for a moment only, and never while another is taken: a fork waits for it, so
            that a child finds nothing half changed, and nothing held by a thread that it has not.
    """

    __slots__ = ("__weakref__", "_depth", "_holder", "_late", "_lock")

    def __init__(self, *, brief: bool = True) -> None:
        self._lock = threading.RLock()  # it may come back before it has noted who it is
        self._depth = self._holder = 0
        self._late: deque[Callable[[], None]] = deque()
        if brief:
            _brief.add(self)

    @property
    def mine(self) -> bool:
        """Whether this very thread holds it."""
        return self._holder == threading.get_ident()

    def afterwards(self, act: Callable[[], None]) -> None:
        """Call ``act`` once this thread, which holds the lock, has let go of it."""
        self._late.append(act)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        within = self._depth > 0
        if not within:
            self._holder = 0
        self._lock.release()
        while self._late and not within:
            with guarded("what was put off"):
                try:
                    act = self._late.popleft()
                except IndexError:  # another thread was here first
                    return
                act()


def renewed_in_child(owner: object, name: str = "_lock") -> None:
    """Have the lock of ``owner`` replaced in the child of a fork: a thread that held it is not
    there to give it back. What it protects must bear being left half-way.
    """
    _renewed[owner] = name


_renewed: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()
_brief: weakref.WeakSet[Lock] = weakref.WeakSet()
_one_fork: Final = threading.Lock()
_held: Final[list[Lock]] = []


def _before() -> None:
    _one_fork.acquire()
    for lock in _known():
        lock._lock.acquire()
        _held.append(lock)


def _known() -> list[Lock]:
    while True:
        with suppress(RuntimeError):  # one was made while they were counted
            return list(_brief)


def _after() -> None:
    while _held:
        _held.pop()._lock.release()
    _one_fork.release()


def _renew() -> None:
    for owner, name in list(_renewed.items()):
        setattr(owner, name, threading.RLock())
    _after()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_renew)
