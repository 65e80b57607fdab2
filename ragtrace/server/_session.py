"""Session: a token that was typed into a browser once, and the cookie that stands for it."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from ragtrace.errors import RagtraceError
from ragtrace.server._grants import Grants, fingerprint
from ragtrace.store import NOBODY, Access

__all__ = ["COOKIE", "SESSION_SECONDS", "Sessions", "TooManyLoginsError", "cookie_options"]

COOKIE: Final = "ragtrace_session"
SESSION_SECONDS: Final = 12 * 3600
"""A working day; then the token is asked for again."""
SESSIONS: Final = 1000
"""Kept at once, in memory: where one more is opened, the oldest ends."""
FAILURES_A_MINUTE: Final = 10
"""Tokens that are not known, from one address: a person mistypes once or twice."""
ADDRESSES: Final = 10_000
"""Remembered for that; beyond, the one that failed longest ago is forgotten."""


class TooManyLoginsError(RagtraceError):
    """An address showed too many unknown tokens within a minute; for the rest of it none that
    comes from there is looked at, known or not: a guess that is right must not be told either.
    """


class Sessions:
    """Who has logged in; forgotten when the server stops.

    A session holds the token's fingerprint and nothing it grants: a token that is taken out of the
    access file, or given other roles, has its sessions follow.

    Args:
        grants: The tokens that hold.
        clock: Seconds that only go forwards.
    """

    def __init__(self, grants: Grants, clock: Callable[[], float] = time.monotonic) -> None:
        self._grants = grants
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def open(self, token: str, address: str) -> str | None:
        """Give the cookie's value for who shows ``token``; ``None`` where it may not read.

        Args:
            token: As it was typed.
            address: Whence it came; others' mistakes do not count against it.

        Raises:
            TooManyLoginsError: Too many from there were wrong within the last minute.
        """
        now = self._clock()
        shown = fingerprint(token.strip())
        with self._lock:
            failed = self._failed.get(address)
            if failed and len(failed) == FAILURES_A_MINUTE and now - failed[0] < 60:
                raise TooManyLoginsError("too many unknown tokens: try again in a minute")
            grant = self._grants.find(shown)
            if grant is None or not grant.access.reads:
                self._note_failure(address, now)
                return None
            cookie = secrets.token_urlsafe(32)
            self._opened[fingerprint(cookie).hex()] = (shown, now + SESSION_SECONDS)
            if len(self._opened) > SESSIONS:
                self._opened.popitem(last=False)
        return cookie

    def _note_failure(self, address: str, now: float) -> None:
        self._failed.setdefault(address, deque(maxlen=FAILURES_A_MINUTE)).append(now)
        self._failed.move_to_end(address)
        if len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def access(self, cookie: str | None) -> Access:
        """Say what who sends this cookie may see; nothing, where the session has ended."""
        if not cookie:
            return NOBODY
        # Looked up by its hash: how long that takes tells nothing about the cookie.
        token, until = self._opened.get(fingerprint(cookie).hex(), (b"", 0.0))
        if self._clock() >= until:
            return NOBODY
        grant = self._grants.find(token)
        return grant.access if grant is not None else NOBODY

    def close(self, cookie: str | None) -> None:
        """End a session, if it is one."""
        with self._lock:
            self._opened.pop(fingerprint(cookie or "").hex(), None)


def cookie_options(secure: bool) -> Mapping[str, Any]:
    """How the cookie is set: not for scripts, nor with what another site's page asks for.

    It goes with a link that is followed from elsewhere, so that a deep link works; pages only read.

    Args:
        secure: Whether the browser came by TLS, and is to send it by TLS only.
    """
    return {
        "httponly": True,
        "samesite": "lax",
        "secure": secure,
        "max_age": SESSION_SECONDS,
        "path": "/",
    }
