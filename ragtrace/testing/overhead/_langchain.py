"""LangChain: the measured application as its users write it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from ragtrace.testing.overhead._material import Shelf

__all__ = ["LangChainApplication"]


class _Retriever(BaseRetriever):
    shelf: Any

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [
            Document(
                one.text,
                id=one.id,
                metadata={"label": "internal", "source": f"handbook/{one.id}.md"},
            )
            for one in self.shelf.search()
        ]

    async def _aget_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return self._get_relevant_documents(query)


class _Model(BaseChatModel):
    shelf: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        message = AIMessage(content="".join(self.shelf.answer()))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        return self._generate()

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for word in self.shelf.answer():
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream():
            yield chunk


class LangChainApplication:
    """Retriever, prompt template, model and parser in one chain.

    Args:
        shelf: What is found and answered.
        config: What every call is given, where a tracer asks for it.
    """

    def __init__(self, shelf: Shelf, config: Any = None) -> None:
        template = ChatPromptTemplate.from_messages(
            [
                ("system", "You are an assistant of a bank. Answer from the context only."),
                ("human", "Context:\n{context}\n\nQuestion: {question}"),
            ]
        )
        found = _Retriever(shelf=shelf) | _joined
        asked: Any = {"context": found, "question": RunnablePassthrough()}
        self._chain: Any = asked | template | _Model(shelf=shelf) | StrOutputParser()
        self._config = config

    def invoke(self, question: str) -> None:
        """One call."""
        self._chain.invoke(question, self._config)

    async def ainvoke(self, question: str) -> None:
        """One call, on the event loop."""
        await self._chain.ainvoke(question, self._config)

    def stream(self, question: str) -> None:
        """One call, whose answer comes word by word."""
        for _ in self._chain.stream(question, self._config):
            pass


def _joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)
