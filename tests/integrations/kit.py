"""The kit: one secret, one public note, and everything LangChain has to send them through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import set_llm_cache
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAI

import ragtrace
from ragtrace.testing.conformance import (
    BROKEN,
    LEVEL,
    NOTES,
    PUBLIC,
    REFUSAL,
    SECRET,
    Note,
    Wire,
    leaks,
    question,
    write_policy,
)

__all__ = [
    "PUBLIC",
    "REFUSAL",
    "SECRET",
    "Ear",
    "Kit",
    "ask",
    "joined",
    "leaks",
    "question",
    "write_policy",
]


class Ear(BaseCallbackHandler):
    """Hears every token and every answer that callbacks are told of."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.heard: list[str] = []

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        """Keep the token."""
        self.tokens.append(token if isinstance(token, str) else json.dumps(token))
        self.heard.append(f"{token!r} {chunk!r}")

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """Keep the answer."""
        self.heard.append(repr(response))

    @property
    def all(self) -> str:
        """Everything heard, once piece by piece and once put together."""
        return "\n".join([*self.heard, "".join(self.tokens)])


@dataclass
class Kit:
    """Retriever, models and a chain of both; fresh for every test."""

    wire: Wire
    ear: Ear = field(default_factory=Ear)
    retriever: Any = None
    notes: list[Document] = field(default_factory=list)
    embeddings: Any = None

    def __post_init__(self) -> None:
        self.embeddings = DeterministicFakeEmbedding(size=8)
        self.notes = [document(note) for note in NOTES]
        self.retriever = self.store(self.notes).as_retriever(search_kwargs={"k": 2})

    @property
    def heard(self) -> str:
        """All that callbacks were told of."""
        return self.ear.all

    def close(self) -> None:
        """Leave no cache behind."""
        set_llm_cache(None)

    def store(self, notes: list[Document]) -> InMemoryVectorStore:
        """A vector store with ``notes`` in it."""
        return InMemoryVectorStore.from_documents(notes, self.embeddings)

    def chat(self, model: str = "chat", **settings: Any) -> ChatOpenAI:
        """A chat model on the wire."""
        return _made(ChatOpenAI, self.wire.url, model, **settings)

    def text(self, **settings: Any) -> OpenAI:
        """A text model on the wire."""
        return _made(OpenAI, self.wire.url, "text", **settings)

    @property
    def broken(self) -> ChatOpenAI:
        """A model that always fails."""
        return self.chat(BROKEN)

    @property
    def prompt(self) -> ChatPromptTemplate:
        """Notes first, the question last."""
        return ChatPromptTemplate.from_messages(
            [("system", "Notes:\n{notes}"), ("human", "{question}")]
        )

    @property
    def config(self) -> dict[str, Any]:
        """A run configuration with the ear in it."""
        return {"callbacks": [self.ear]}

    def messages(self, asked: str, notes: str) -> list[tuple[str, str]]:
        """The same prompt by hand."""
        return [("system", f"Notes:\n{notes}"), ("human", asked)]

    def chain(self, model: Any = None, retriever: Any = None) -> Runnable[str, str]:
        """The usual chain: retrieve, fill in, ask, parse."""
        found = (retriever or self.retriever) | joined
        filled: Any = {"notes": found, "question": RunnablePassthrough()}
        return filled | self.prompt | (model or self.chat()) | StrOutputParser()

    def find(self, notes: Sequence[Note]) -> list[str]:
        """Search what has these."""
        found = [document(note) for note in notes]
        return [note.page_content for note in Fixed(give=lambda: found).invoke("fees")]

    def fail(self, error: Exception) -> Any:
        """Have a retriever in a chain raise ``error``."""

        def give() -> list[Document]:
            raise error

        return self.chain(retriever=Fixed(give=give)).invoke("fees")

    def ask(self, notes: str, asked: str) -> Any:
        """Ask a model."""
        return self.chat().invoke(self.messages(asked, notes), self.config)

    def stream(self, notes: str, asked: str) -> Iterator[Any]:
        """Ask a model for pieces."""
        return self.chat().stream(self.messages(asked, notes), self.config)


class Fixed(BaseRetriever):
    """Finds what it is told to."""

    give: Callable[[], list[Document]]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.give()


def document(note: Note) -> Document:
    """A document as it is filed."""
    return Document(note.text, id=note.id, metadata={LEVEL: note.level})


def ask(kit: Kit, audience: str = "customer", chain: Any = None) -> Any:
    """One turn."""
    with ragtrace.request(audience):
        return (chain or kit.chain()).invoke(question(audience))


def joined(notes: list[Document]) -> str:
    """The texts of ``notes``."""
    return "\n\n".join(note.page_content for note in notes)


@cache
def _made(kind: type[Any], url: str, model: str, **settings: Any) -> Any:
    """A model; made once, because a client takes longer to make than to use."""
    return kind(model=model, base_url=url, api_key="none", max_retries=0, **settings)
