"""Scripted: a chat model that says what it is told to, and keeps what it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

__all__ = ["Scripted"]


class Scripted(BaseChatModel):
    """Answers with each of ``script`` in turn; the last of them stands for all after it.

    Attributes:
        shown: What it was asked, as one text for each call.
    """

    script: list[Any]
    shown: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Any tools will do: which is called stands in the script."""
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        said = self._next(messages)
        for start in range(0, len(str(said.content)), 7):
            piece = str(said.content)[start : start + 7]
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self.shown.append("\n".join(str(message.content) for message in messages))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return said if isinstance(said, AIMessage) else AIMessage(content=said)
