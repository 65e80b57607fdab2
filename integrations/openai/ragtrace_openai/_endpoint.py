"""Endpoint: which of the provider's addresses ask a model, and how a body says what is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from ragtrace.capture import unread

__all__ = ["Endpoint"]

Json = Mapping[str, Any]

_MADE_BY_MODEL: Final = ("function_call", "custom_tool_call", "mcp_call", "reasoning")
"""Types of input items without a role that a model has made; others are what tools gave it."""


_FRAME: Final = frozenset({"role", "status"})
"""Keys of an item that say what it is."""


class Endpoint(StrEnum):
    """An address under which a model is asked, by its end."""

    CHAT = "/chat/completions"
    TEXT = "/completions"
    RESPONSES = "/responses"

    @classmethod
    def of(cls, method: str, url: str) -> Endpoint | None:
        """The one that a request asks; ``None`` where no model is."""
        path = "/" + url.partition("?")[0].strip("/")
        asked = method.lower() == "post"
        return next((one for one in cls if asked and path.endswith(one.value)), None)

    @classmethod
    def of_stored(cls, method: str, url: str) -> Endpoint | None:
        """The one whose answer is fetched a second time, by the id it has been stored under."""
        path = "/" + url.partition("?")[0].strip("/")
        parent = path.rpartition("/")[0]
        stored = method.lower() == "get" and parent.endswith((cls.CHAT.value, cls.RESPONSES.value))
        return next((one for one in cls if stored and parent.endswith(one.value)), None)

    @property
    def operation(self) -> str:
        """As the GenAI conventions call it."""
        return "text_completion" if self is Endpoint.TEXT else "chat"

    def roots(self, body: Json) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        """Where in ``body`` there is something that the model reads, each with the role it has."""
        if self is Endpoint.TEXT:
            yield "user", ("prompt",)
            yield "user", ("suffix",)
            return
        if self is Endpoint.RESPONSES:
            yield "system", ("instructions",)
            yield "user", ("prompt", "variables")
        key = "messages" if self is Endpoint.CHAT else "input"
        items = body.get(key)
        if isinstance(items, str):
            yield "user", (key,)
            return
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping):
                role = str(item.get("role") or _role(item))
                for name in item:
                    if name not in _FRAME and not unread(name, item, ()):
                        yield role, (key, place, name)

    def unseen(self, body: Json) -> str | None:
        """Why not all that the model is asked is text in ``body``, if so."""
        key = {Endpoint.CHAT: "messages", Endpoint.TEXT: "prompt"}.get(self, "input")
        asked = body.get(key)
        if self is Endpoint.TEXT and isinstance(asked, list):
            if not all(isinstance(one, str) for one in asked):
                return "the prompt is given in tokens"
            return None
        if asked is not None and not isinstance(asked, str | list):
            return f"{key} is neither text nor a list"
        return None


def _role(item: Json) -> str:
    kind = str(item.get("type"))
    return "assistant" if kind in _MADE_BY_MODEL else "tool"
