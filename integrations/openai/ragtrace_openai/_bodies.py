"""Bodies: HTTP responses whose bodies are read through something."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final

from ragtrace_openai._pieces import Pieces

__all__ = ["made", "of_bytes", "through"]

_AS_SENT: Final = ("content-encoding", "content-length", "transfer-encoding")
"""Headers about bytes as they come from the wire; what is given has been unpacked."""

Ended = Callable[[], AbstractContextManager[None]]
"""Around the reading of a body; what is raised inside ends it early."""


def made(request: Any, kind: str, content: bytes) -> Any:
    """A response to ``request`` that nobody has sent."""
    headers = {"content-type": kind}
    return _library(request).Response(200, headers=headers, content=content, request=request)


def of_bytes(response: Any, content: bytes) -> Any:
    """``response`` with another body."""
    out = _copy(response, content=content)
    _time(response, out)
    return out


def through(response: Any, pieces: Pieces, ended: Ended, over: Callable[[], None]) -> Any:
    """``response``, whose body has not been read yet, read through ``pieces``.

    Args:
        response: Of httpx, or of httpx2.
        pieces: Takes what arrives, gives what may leave.
        ended: Is entered when reading begins.
        over: Is called when all of the answer has arrived, and when the body is closed.
    """
    body = _body_type(_library(response))(response, pieces, ended, over)
    out = body.owner = _copy(response, stream=body)
    return out


def _copy(response: Any, **body: Any) -> Any:
    headers = [pair for pair in response.headers.multi_items() if pair[0].lower() not in _AS_SENT]
    return type(response)(
        response.status_code,
        headers=headers,
        request=response.request,
        extensions=response.extensions,
        history=response.history,
        default_encoding=response.default_encoding,
        **body,
    )


def _time(given: Any, out: Any) -> None:
    """How long it took is known of what came from the wire, once that has been closed."""
    if hasattr(given, "_elapsed"):
        out.elapsed = given.elapsed


def _library(thing: Any) -> Any:
    """The library that a request or response is of: the SDK takes either."""
    return sys.modules[type(thing).__module__.partition(".")[0]]


class _Body:
    """The bytes of a response, of which only what may leave does."""

    owner: Any = None

    def __init__(self, inner: Any, pieces: Pieces, ended: Ended, over: Callable[[], None]) -> None:
        self._inner = inner
        self._pieces = pieces
        self._ended = ended
        self._over = over

    def __iter__(self) -> Iterator[bytes]:
        with self._ended():
            for data in self._inner.iter_bytes():
                yield from self._leaving(self._pieces.feed(data))
            yield from self._leaving(self._pieces.close())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._ended():
            async for data in self._inner.aiter_bytes():
                for piece in self._leaving(self._pieces.feed(data)):
                    yield piece
            for piece in self._leaving(self._pieces.close()):
                yield piece

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()
        self._closed()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()
        self._closed()

    def __del__(self) -> None:
        if hasattr(self, "_over"):  # nobody has read it, or closed it
            self._over()

    def _closed(self) -> None:
        self._over()
        _time(self._inner, self.owner)

    def _leaving(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._pieces.over:  # who reads the last of it stops there, and says nothing
                self._over()
            yield piece


@cache
def _body_type(library: Any) -> Any:
    return type("Body", (_Body, library.SyncByteStream, library.AsyncByteStream), {})
