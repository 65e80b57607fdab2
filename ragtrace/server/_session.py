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
"""Tokens that are not known, by whomever they were typed: a person mistypes once or twice."""


class TooManyLoginsError(RagtraceError):
    """Too many unknown tokens were shown within a minute; for the rest of it none is looked at."""


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
        self._failed: deque[float] = deque(maxlen=FAILURES_A_MINUTE)

    def open(self, token: str) -> str | None:
        """Give the cookie's value for who shows ``token``; ``None`` where it may not read.

        Raises:
            TooManyLoginsError: Too many were wrong within the last minute.
        """
        now = self._clock()
        shown = fingerprint(token.strip())
        with self._lock:
            if len(self._failed) == FAILURES_A_MINUTE and now - self._failed[0] < 60:
                raise TooManyLoginsError("too many unknown tokens: try again in a minute")
            access = self._grants.find(shown)
            if access is None or not access.reads:
                self._failed.append(now)
                return None
            cookie = secrets.token_urlsafe(32)
            self._opened[fingerprint(cookie).hex()] = (shown, now + SESSION_SECONDS)
            if len(self._opened) > SESSIONS:
                self._opened.popitem(last=False)
        return cookie

    def access(self, cookie: str | None) -> Access:
        """Say what who sends this cookie may see; nothing, where the session has ended."""
        if not cookie:
            return NOBODY
        # Looked up by its hash: how long that takes tells nothing about the cookie.
        token, until = self._opened.get(fingerprint(cookie).hex(), (b"", 0.0))
        if self._clock() >= until:
            return NOBODY
        return self._grants.find(token) or NOBODY

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
