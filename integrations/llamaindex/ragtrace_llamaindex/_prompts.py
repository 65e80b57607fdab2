"""Prompts: what a model is asked, as messages or as one text, and the same with other texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
)

from ragtrace.model import Message
from ragtrace_llamaindex._parts import Parts

__all__ = ["ChatPrompt", "Prompt", "TextPrompt"]


class Prompt(Protocol):
    """What a model is asked.

    Attributes:
        operation: By the GenAI conventions.
        given: As it was given.
        messages: Its texts.
    """

    operation: str
    given: Any
    messages: tuple[Message, ...]

    def __init__(self, given: Any) -> None: ...

    def rebuilt(self, messages: Sequence[Message]) -> Any:
        """The same with other texts; what was given where none is another."""

    @staticmethod
    def answer(text: str) -> Any:
        """An answer that says ``text``, whole or as the one piece of a stream."""


class ChatPrompt:
    """Messages, for ``chat`` and the like."""

    operation: str = "chat"

    def __init__(self, given: Any) -> None:
        self.given = given = list(given)
        self._parts = Parts(given)
        self.messages = self._parts.messages

    def rebuilt(self, messages: Sequence[Message]) -> Any:
        """The same messages with other texts."""
        return self._parts.rebuilt([message.text for message in messages])

    @staticmethod
    def answer(text: str) -> ChatResponse:
        """A message of the assistant's."""
        message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
        return ChatResponse(message=message, delta=text)


class TextPrompt:
    """One text, for ``complete`` and the like."""

    operation: str = "text_completion"

    def __init__(self, given: Any) -> None:
        self.given = given
        self.messages: tuple[Message, ...] = (Message("user", str(given)),)

    def rebuilt(self, messages: Sequence[Message]) -> Any:
        """The other text."""
        (message,) = messages
        return message.text if message.text != self.messages[0].text else self.given

    @staticmethod
    def answer(text: str) -> CompletionResponse:
        """A completion."""
        return CompletionResponse(text=text, delta=text)
