"""Messages: every text in LangChain messages, in order, and the messages with other texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from langchain_core.messages import BaseMessage

from ragtrace.capture import Path, leaves, replaced
from ragtrace.model import Message
from ragtrace_langchain._held import held

__all__ = ["Parts"]

KINDS: Final = 64
"""Classes of messages that are remembered; LangChain has some ten."""

_ROLES: Final = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
"""LangChain's message types by the names of the GenAI conventions; others are the same."""

_FIELDS: Final = ("content", "tool_calls", "invalid_tool_calls", "additional_kwargs")
"""Fields of a message that providers send, or applications read."""


class Parts:
    """The texts of a list of messages: contents, content blocks, arguments of tool calls.

    Attributes:
        messages: One ``Message`` for every text, in order.
    """

    def __init__(self, messages: Sequence[BaseMessage]) -> None:
        self._given = list(messages)
        self._paths: list[tuple[int, str, Path]] = []
        found: list[Message] = []
        for place, message in enumerate(self._given):
            role = _ROLES.get(message.type, message.type)
            for field, value in _values(message):
                if type(value) is str:  # as almost all contents are
                    self._paths.append((place, field, ()))
                    found.append(Message(role, value))
                    continue
                for path, text in leaves(value) if value else ():
                    self._paths.append((place, field, path))
                    found.append(Message(role, text))
        self.messages = tuple(found)

    @property
    def spoken(self) -> list[int]:
        """Places of what ``BaseMessage.text`` has, in ``messages``: it is read in one."""
        return [
            place
            for place, (at, field, path) in enumerate(self._paths)
            if field == "content" and _is_said(self._given[at].content, path)
        ]

    @property
    def aside(self) -> list[int]:
        """Places of everything else, such as reasoning and arguments: each is by itself."""
        return sorted(set(range(len(self._paths))) - set(self.spoken))

    def texts(self, places: Sequence[int]) -> list[str]:
        """The texts at some places."""
        return [self.messages[place].text for place in places]

    def rebuilt(self, texts: Sequence[Message]) -> list[BaseMessage]:
        """The messages with ``texts`` in place of their own; unchanged ones are the same object."""
        out = list(self._given)
        for (place, field, path), before, after in zip(
            self._paths, self.messages, texts, strict=True
        ):
            if before.text == after.text:
                continue
            if out[place] is self._given[place]:
                out[place] = self._given[place].model_copy(deep=True)
            message = out[place]
            setattr(message, field, replaced(getattr(message, field), path, after.text))
        return out


def _values(message: BaseMessage) -> list[tuple[str, Any]]:
    if message.__pydantic_extra__ or _makes_its_own(type(message)):
        return [(field, held(message, field)) for field in _FIELDS]
    own = message.__dict__
    return [(field, own[field]) for field in _FIELDS if field in own]


@lru_cache(KINDS)
def _makes_its_own(kind: type) -> bool:
    """Whether a class of messages works out one of the fields, instead of holding it."""
    return any(field in one.__dict__ for one in kind.__mro__ for field in _FIELDS)


def _is_said(content: Any, path: Path) -> bool:
    """Whether a text is for reading: a content, a string in a list, or the text of a text block."""
    place, *inside = path or (None,)
    return not inside or (inside == ["text"] and content[place].get("type") == "text")
