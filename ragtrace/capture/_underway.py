"""Underway: the model calls that are being made around the caller."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from contextvars import ContextVar, Token
from typing import Final, TypeVar

from ragtrace.capture._call import Call
from ragtrace.model import Message

__all__ = ["asked_by", "asking", "is_asked"]

T = TypeVar("T")


class asking:
    """What is called inside is how these calls are made: a framework asks by way of an SDK.

    Never held across a ``yield`` to the application.

    Args:
        calls: That are being made.
        value: What an integration is doing itself, if it looks for that.
    """

    # A class and no generator, and one variable: every delta of a stream passes this.
    __slots__ = ("_token", "calls", "value")

    def __init__(self, *calls: Call, value: object = None) -> None:
        self.calls, self.value = calls, value

    def __enter__(self) -> None:
        self._token: Token[asking | None] = _underway.set(self)

    def __exit__(self, *_: object) -> None:
        _underway.reset(self._token)

    def next(self, source: Iterator[T]) -> T | None:
        """The next that ``source`` gives, asked inside; ``None`` if it has ended."""
        token = _underway.set(self)
        try:
            return next(source, None)
        finally:
            _underway.reset(token)


_underway: Final[ContextVar[asking | None]] = ContextVar("ragtrace_underway", default=None)


def asked_by(kind: type[T]) -> T | None:
    """What an integration is doing around the caller, if it is of this kind."""
    one = _underway.get()
    return one.value if one is not None and isinstance(one.value, kind) else None


def is_asked(messages: Sequence[Message]) -> bool:
    """Whether these are sent for calls around the caller, which have judged every text of them.

    A model that asks itself something else on the way to its answer sends other texts.
    """
    one = _underway.get()
    if one is None or not one.calls:
        return False
    judged = {message.text for call in one.calls for message in call.messages}
    return all(_is_in(message.text, judged) for message in messages if message.text)


def _is_in(text: str, judged: Set[str]) -> bool:
    """Whether a text was judged, as it is or as a part of JSON: arguments are read as either."""
    if text in judged:
        return True
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return any(one in whole for whole in judged if whole[:1] in "{[" for one in escaped)
