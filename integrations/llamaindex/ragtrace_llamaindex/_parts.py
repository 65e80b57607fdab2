"""Parts: every text in LlamaIndex messages and answers, in order, and the same with other texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse

from ragtrace.capture import Path, leaves, replaced
from ragtrace.model import Message

__all__ = ["Parts"]

_ROLES: Final = {"chatbot": "assistant", "model": "assistant", "function": "tool"}
"""LlamaIndex's roles by the names of the GenAI conventions; others are the same."""

_PLACES: Final[dict[type, tuple[tuple[str, ...], ...]]] = {
    ChatMessage: (("blocks",), ("additional_kwargs",)),
    ChatResponse: (("message", "blocks"), ("message", "additional_kwargs"), ("additional_kwargs",)),
    CompletionResponse: (("text",), ("additional_kwargs",)),
}
"""Where texts stand that providers send, or applications read."""


class Parts:
    """The texts of some messages, or of one answer: text, reasoning, arguments of tool calls.

    Attributes:
        messages: One ``Message`` for every text, in order.
        places: Of each, which holder it is in and where.
    """

    def __init__(self, holders: Sequence[Any]) -> None:
        self._holders = list(holders)
        found = [
            (at, path, Message(_role(holder), text))
            for at, holder in enumerate(self._holders)
            for path, text in _texts(holder)
        ]
        self.places = [(at, path) for at, path, _ in found]
        self.messages = tuple(message for _, _, message in found)

    @property
    def spoken(self) -> list[int]:
        """Places of what a reader reads, in ``messages``: it is read in one."""
        return [
            place
            for place, (at, path) in enumerate(self.places)
            if is_spoken(self._holders[at], path)
        ]

    @property
    def aside(self) -> list[int]:
        """Places of everything else, such as reasoning and arguments: each is by itself."""
        spoken = set(self.spoken)
        return [place for place in range(len(self.places)) if place not in spoken]

    def texts(self, places: Sequence[int]) -> list[str]:
        """The texts at some places."""
        return [self.messages[place].text for place in places]

    def rebuilt(self, texts: Sequence[str]) -> list[Any]:
        """The holders with ``texts`` in place of their own; unchanged ones are the same object."""
        out = list(self._holders)
        for (at, path), before, after in zip(self.places, self.messages, texts, strict=True):
            if before.text != after:
                out[at] = replaced(out[at], path, after)
        return out


def is_spoken(holder: Any, path: Path) -> bool:
    """Whether the text at ``path`` is for reading: a completion, or the text of a text block."""
    if path == ("text",):
        return True
    *_, blocks, place, field = ("", "", *path)
    if blocks != "blocks" or field != "text":
        return False
    message = getattr(holder, "message", holder)
    return getattr(message.blocks[place], "block_type", None) == "text"


def _texts(holder: Any) -> Iterator[tuple[Path, str]]:
    kinds = (places for kind, places in _PLACES.items() if isinstance(holder, kind))
    for place in next(kinds, ((),)):  # of what is no message the model will say so
        value = holder
        for field in place:
            value = getattr(value, field)
        yield from leaves(value, place)


def _role(holder: Any) -> str:
    role = getattr(getattr(holder, "message", holder), "role", "assistant")
    name = str(getattr(role, "value", role))
    return _ROLES.get(name, name)
