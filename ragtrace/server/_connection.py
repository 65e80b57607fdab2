"""Connection: HTTP/1.1 as uvicorn speaks it, for peers that nobody knows yet."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HEAD_BYTES", "HEAD_SECONDS", "Connection"]

HEAD_SECONDS: Final = 20.0
"""How long the head of a request may take to arrive, from when one is waited for. Connections are
few, and who only opens them would keep all others out."""
HEAD_BYTES: Final = 64 * 1024
"""Of a request's line and headers; a question of a hundred digests has seven thousand."""


class Connection(H11Protocol):
    """Closes where a request's head does not come in time; ``h11`` sees that it has an end.

    The other parser that uvicorn has, in C, takes a head of any length into memory.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take in what came; what it does not complete is still due."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._expect_nothing()
        elif self._late is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
