"""Unknown: why nobody vouches for a caller."""

from __future__ import annotations

from typing import Literal

__all__ = ["UnknownCaller", "Why"]

Why = Literal[
    "no-route",
    "no-token",
    "bad-token",
    "expired-token",
    "no-keys",
    "untrusted-peer",
    "no-claims",
    "bad-claim",
    "no-audience",
    "conflict",
]
"""What the span of the request says; docs/asgi.md has a sentence on each."""


class UnknownCaller(Exception):
    """Who has sent a request cannot be said; the request is for the least cleared audience.

    A callable that reads claims may raise it too.

    Args:
        why: In one word, which is recorded.
    """

    def __init__(self, why: Why = "no-claims") -> None:
        super().__init__(why)
        self.why = why
