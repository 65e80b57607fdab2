"""Pieces: the bytes of an answer on their way from the wire to whoever reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Protocol

from ragtrace.capture import Call
from ragtrace_openai._answers import Answer
from ragtrace_openai._endpoint import Endpoint
from ragtrace_openai._events import Events

__all__ = ["Buffered", "Pieces", "Streamed"]

_BETWEEN: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
"""What stands between two server-sent events."""

_END: Final = re.compile(
    rb"[\r\n](?:data: ?\[DONE\]|event: ?response\.(?:completed|incomplete|failed|cancelled)[\r\n])"
)
"""The last event of a stream: no line within the JSON of another begins so."""

LONGEST_END: Final = 40
"""Bytes of what has passed before in which the last event may have begun."""

_DONE: Final = "[DONE]"
"""What a provider says when nothing more of a stream comes."""


class Pieces(Protocol):
    """Takes what comes from the wire, gives what may leave."""

    over: bool

    @property
    def answer(self) -> dict[str, Any]:
        """What the caller is given, as far as it is known."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What may leave now that ``data`` has arrived."""

    def close(self) -> Iterator[bytes]:
        """What may leave when nothing more arrives."""

    def catch_up(self) -> None:
        """Note with the call whatever has left."""


class Buffered:
    """A body that can only be read as a whole.

    Attributes:
        over: Whether all of the answer has arrived.
    """

    def __init__(self, endpoint: Endpoint, call: Call, *, stored: bool) -> None:
        self._endpoint = endpoint
        self._call = call
        self._stored = stored
        self._data = b""
        self._answer: dict[str, Any] = {}
        self.over = False

    @property
    def answer(self) -> dict[str, Any]:
        """What the caller is given, once it is known."""
        return self._answer

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Nothing yet."""
        self._data += data
        yield from ()

    def close(self) -> Iterator[bytes]:
        """All of it."""
        self.over = True
        yield self.kept(self._data)

    def catch_up(self) -> None:
        """It is noted as a whole."""

    def kept(self, data: bytes) -> bytes:
        """The whole body without what may not be said; the very same where that is nothing."""
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):  # not as the provider answers; it is read all the same
            text = data.decode("utf-8", "replace")
            said = self._call.cached(text)[0] if self._stored else text
            (said,) = self._call.whole(said) if self._call.armed else (said,)
            self._call.record(said)
            return data if said == text else said.encode()
        guarded = Answer(self._endpoint, body).guarded(self._call, stored=self._stored)
        Answer(self._endpoint, guarded).record(self._call)
        self._answer = guarded
        return data if guarded is body else json.dumps(guarded).encode()


class Streamed:
    """Server-sent events; those in which nothing is kept back leave as the bytes they came in.

    Where nothing may not be said they are not even read on their way, but when what has been said
    so far is asked for.

    Attributes:
        over: Whether all of the answer has arrived.
    """

    def __init__(self, endpoint: Endpoint, call: Call) -> None:
        self._call = call
        self._events = Events(endpoint, call)
        self._data = b""
        self._unread: list[bytes] = []
        self._last = b"\n"
        self.over = False

    @property
    def answer(self) -> dict[str, Any]:
        """The provider's own id of it at least."""
        return self._events.answer

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The events that have arrived."""
        if not self._call.armed:
            yield from self._passed(data)
        else:
            yield from self._read(data)

    def _passed(self, data: bytes) -> Iterator[bytes]:
        """The bytes as they came; the end of the answer by itself."""
        end = None if self.over else _END.search(self._last + data)
        if end is not None:
            start = max(0, end.start() + 1 - len(self._last))
            if start:
                self._unread.append(data[:start])
                yield data[:start]
            self.over, data = True, data[start:]
        self._last = data[-LONGEST_END:]
        self._unread.append(data)
        yield data

    def catch_up(self) -> None:
        """Note what has left, and have it be remembered."""
        if self._unread:
            data = b"".join(self._unread)
            self._unread.clear()
            with self._events.hearing():
                for _ in self._read(data):
                    pass
        self._call.catch_up()

    def _read(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        start = 0
        for between in _BETWEEN.finditer(self._data):
            yield from self._event(self._data[start : between.end()])
            start = between.end()
        self._data = self._data[start:]

    def close(self) -> Iterator[bytes]:
        """What was held back, of a stream that has broken off as well."""
        if not self._call.armed:
            self._unread.append(b"\n\n")  # whatever comes last is an event as well
            self.over = True
            return
        if self._data.strip():
            yield from self._event(self._data + b"\n\n")
        if not self.over:
            self.over = True
            yield from map(_written, self._events.rest())

    def _event(self, raw: bytes) -> Iterator[bytes]:
        lines = raw.decode("utf-8", "replace").splitlines()
        said = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        if said.startswith(_DONE):
            self.over = True
            yield from map(_written, self._events.rest())
            yield raw
            return
        try:
            event = json.loads(said) if said else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):  # a comment, or nothing that any client reads
            if not self._call.armed:
                yield raw
            return
        for kept in self._events.seen(event):
            self.over = self.over or kept.get("type") in Events.LAST
            yield raw if kept is event else _written(kept)


def _written(event: dict[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if isinstance(event.get("type"), str) else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()
