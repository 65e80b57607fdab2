"""Reload: the files of a policy, looked at now and then, so that a change counts at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from ragtrace.capture._runtime import renew
from ragtrace.errors import PolicyFileError
from ragtrace.policy import Files, PolicyFile, Version, read_policy, version_of

__all__ = ["Reload"]

_log = logging.getLogger("ragtrace")

QUIET: Final = 0.02
"""Seconds since a file was last written before it is read. Clocks of files go by steps of up to
10 ms on Linux: a second change within one step, to the same size, would be seen by nobody."""

_reading = threading.Lock()
"""Held by the one thread of the process that looks or reads."""


def _forked() -> None:
    """A child has none of its parent's threads: nobody would ever give the lock back."""
    global _reading
    _reading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Reload:
    """Reads a policy anew when one of its files changes.

    Nobody waits for it: a call looks at the files, at most every so often, and a thread that ends
    with its work reads what has changed. Until that is done, and where it cannot be done, the
    policy that was there judges. No thread stands by, so that a process may fork.

    Args:
        path: Of the policy file.
        files: What was read from there already, and could be.
        every: Seconds from one look to the next, above 0.
        clock: Seconds that only go forwards.
    """

    def __init__(
        self,
        path: str,
        files: Iterable[PolicyFile],
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = os.path.abspath(path)
        self._files = tuple(files)
        self._every = every
        self._clock = clock
        self._due = clock() + every

    def look(self) -> None:
        """Have the policy read anew if it is time to look, and something has changed."""
        if self._clock() < self._due:
            return
        lock = _reading
        if not lock.acquire(blocking=False):
            return  # being looked at, or read, just now
        self._due = self._clock() + self._every
        reading = False
        try:
            if self._changed():
                name = "ragtrace-reload"
                threading.Thread(target=self._read, args=(lock,), name=name, daemon=True).start()
                reading = True
        except RuntimeError:  # at the exit of Python no thread can start, and nothing needs one
            pass
        finally:
            if not reading:
                lock.release()

    def now(self) -> None:
        """Read the policy anew, before this returns; one that cannot be used is noted as stale."""
        lock = _reading
        lock.acquire()
        self._read(lock)

    def _changed(self) -> bool:
        now = [version_of(one.path) for one in self._files]
        if now == [one.version for one in self._files]:
            return False
        if all(map(_settled, now)):
            return True
        self._due = self._clock() + min(self._every, QUIET)
        return False

    def _read(self, lock: threading.Lock) -> None:
        files = Files()
        try:
            policy = read_policy(self._path, files)
        except PolicyFileError as error:
            self._keep(error)
        except Exception as error:
            self._keep(PolicyFileError(f"{self._path}: reading failed with {type(error).__name__}"))
        else:
            if renew(self, policy):
                _log.info("ragtrace: %s is read anew: %s", self._path, policy.digest[:16])
        finally:
            self._files = tuple(files) or self._files
            lock.release()

    def _keep(self, error: PolicyFileError) -> None:
        # Said once for each version of the files: an unchanged one is not read again.
        if renew(self, error):
            _log.warning("ragtrace: %s; the policy that was read before stays in force", error)


def _settled(version: Version | None) -> bool:
    return version is None or abs(time.time() - version[0] / 1e9) >= QUIET
