"""Underway: the model calls that are being made around the caller."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from contextvars import ContextVar, Token
from typing import Any, Final

from ragtrace.capture._call import Call
from ragtrace.model import Message

__all__ = ["asking", "is_asked"]

_nobodys: Final[ContextVar[Any]] = ContextVar("ragtrace_nobodys")
_underway: ContextVar[tuple[Call, ...]] = ContextVar("ragtrace_underway", default=())


class asking:
    """What is called inside is how these calls are made: a framework asks by way of an SDK.

    Never held across a ``yield`` to the application.

    Args:
        calls: That are being made.
        variable: Where an integration looks for what it is doing itself, if it does.
        value: That.
    """

    # A class and no generator, and one for both variables: every delta of a stream passes one.
    __slots__ = ("_before", "_calls", "_token", "_value", "_variable")

    def __init__(
        self, *calls: Call, variable: ContextVar[Any] | None = None, value: Any = None
    ) -> None:
        self._calls, self._variable, self._value = calls, variable or _nobodys, value

    def __enter__(self) -> None:
        self._before: Token[Any] = self._variable.set(self._value)
        self._token: Token[tuple[Call, ...]] = _underway.set(self._calls)

    def __exit__(self, *_: object) -> None:
        _underway.reset(self._token)
        self._variable.reset(self._before)


def is_asked(messages: Sequence[Message]) -> bool:
    """Whether these are sent for calls around the caller, which have judged every text of them.

    A model that asks itself something else on the way to its answer sends other texts.
    """
    calls = _underway.get()
    if not calls:
        return False
    judged = {message.text for call in calls for message in call.messages}
    return all(_is_in(message.text, judged) for message in messages if message.text)


def _is_in(text: str, judged: Set[str]) -> bool:
    """Whether a text was judged, as it is or as a part of JSON: arguments are read as either."""
    if text in judged:
        return True
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return any(one in whole for whole in judged if whole[:1] in "{[" for one in escaped)
