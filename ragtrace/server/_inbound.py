"""Inbound: a request body, read and decompressed within bounds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from starlette.requests import Request

from ragtrace.errors import WireError
from ragtrace.server._limits import Limits

__all__ = ["Held", "Inbound", "RefusedError", "short_body"]

T = TypeVar("T")

SHORT_SECONDS: Final = 10.0
"""A short body arrives at once; who sends it a byte at a time is not waited for."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""What zlib calls them; HTTP's deflate is zlib's own format."""


class RefusedError(Exception):
    """A body that is not read to its end, with the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def short_body(request: Request, most: int) -> bytes:
    """Read a body of at most ``most`` bytes that is no telemetry, such as a form.

    Raises:
        RefusedError: 413 for more, 408 where it takes too long to arrive.
    """
    body = b""
    try:
        async with asyncio.timeout(SHORT_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise RefusedError(413, f"body: expected at most {most} bytes")
    except TimeoutError:
        raise RefusedError(408, "body: it took too long to arrive") from None
    return body


def _declared(request: Request) -> int:
    """How long the body is said to be; what is no number is found out as it arrives."""
    said = request.headers.get("content-length", "")
    # Bounded: a number of thousands of digits is an error to read, and too many anyway.
    return int(said[:19]) if said.isascii() and said.isdigit() else 0


class Inbound:
    """Reads bodies; all that are in hand together stay within ``held_bytes``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes of all requests whose answers are not decided."""
        return self._held

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """Account for one request until its answer is decided, whether or not one waits for it."""
        held = Held(self)
        try:
            yield held
        finally:
            held.let_go()

    def take(self, number: int) -> None:
        """Count bytes in.

        Raises:
            RefusedError: 429, because too much is in hand already.
        """
        if self._held + number > self._limits.held_bytes:
            raise RefusedError(429, "the server has more in hand than it can hold")
        self._held += number

    def give_back(self, number: int) -> None:
        """Count bytes out."""
        self._held -= number

    async def read(self, request: Request, held: Held) -> bytes:
        """Read and decompress the body of ``request``.

        Raises:
            RefusedError: 413 for too much, 415 for an unknown encoding, 429 for too much
                from everybody, or too slowly.
            WireError: It is not what its encoding says.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", *_WINDOW_BITS):
            raise RefusedError(415, "content-encoding: expected gzip, deflate or identity")
        if _declared(request) > self._limits.body_bytes:
            raise self._too_long(self._limits.body_bytes)
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                body = await self._whole(request.stream(), held)
        except TimeoutError:
            raise RefusedError(429, "body: it took too long to arrive") from None
        return body if encoding == "identity" else self._inflate(body, encoding, held)

    async def _whole(self, stream: AsyncIterator[bytes], held: Held) -> bytes:
        pieces: list[bytes] = []
        length = 0
        async for piece in stream:
            length += len(piece)
            if length > self._limits.body_bytes:
                raise self._too_long(self._limits.body_bytes)
            held.take(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    def _inflate(self, body: bytes, encoding: str, held: Held) -> bytes:
        out: list[bytes] = []
        length = 0
        while body:  # gzip allows several members, one after the other
            inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
            room = self._limits.inflated_bytes - length
            try:
                piece = inflater.decompress(body, room + 1)
            except zlib.error:
                raise WireError(f"body: expected {encoding}") from None
            if len(piece) > room:
                raise self._too_long(self._limits.inflated_bytes)
            if not inflater.eof:
                raise WireError(f"body: expected {encoding}, found only the beginning of it")
            held.take(len(piece))
            length += len(piece)
            out.append(piece)
            body = inflater.unused_data
        return b"".join(out)

    @staticmethod
    def _too_long(limit: int) -> RefusedError:
        return RefusedError(413, f"body: expected at most {limit} bytes")


class Held:
    """What one request holds."""

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound
        self._work: asyncio.Task[Any] | None = None
        self.bytes = 0

    def take(self, number: int) -> None:
        """Count bytes in, for this request."""
        self._inbound.take(number)
        self.bytes += number

    async def until(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` on what is held; it goes on, and holds it, where its client has gone."""
        self._work = asyncio.create_task(work)
        return await asyncio.shield(self._work)

    def let_go(self) -> None:
        """Count everything out, once nothing works on it."""
        if self._work is None or self._work.done():
            self._inbound.give_back(self.bytes)
        else:
            self._work.add_done_callback(lambda _: self._inbound.give_back(self.bytes))
