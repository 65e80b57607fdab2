"""The kit: notes in an index, models on the wire, and an ear for what is told of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

import openai
from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.base.llms.types import (
    ChatMessage,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import NullSpanHandler
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.llms.openai_like import OpenAILike

from ragtrace.testing.conformance import BROKEN, LEVEL, NOTES, Note, Wire

__all__ = ["Custom", "Fixed", "Kit", "joined", "node"]

EMBEDDING = MockEmbedding(embed_dim=4)
Settings.embed_model = EMBEDDING
Settings.llm = MockLLM()

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)

_ANSWERS = ("LLM", "StreamChatDelta", "QueryEnd", "SynthesizeEnd")
"""Beginnings of the names of events that tell of answers."""


def node(note: Note) -> TextNode:
    """A node as it is filed."""
    return TextNode(id_=note.id, text=note.text, metadata={LEVEL: note.level})


def joined(nodes: Sequence[NodeWithScore]) -> str:
    """The texts of nodes."""
    return "\n\n".join(found.text for found in nodes)


def said(answer: Any) -> str:
    """What an answer says; an engine's has its nodes with it, which are the application's side."""
    if hasattr(answer, "source_nodes"):
        return str(getattr(answer, "response", None))
    return answer if isinstance(answer, str) else repr(answer)


class Events(BaseEventHandler):
    """Hears what events say of answers."""

    def handle(self, event: Any, **kwargs: Any) -> None:
        """Keep it."""
        heard = _heard.get()
        if heard is None or not type(event).__name__.startswith(_ANSWERS):
            return
        for field in ("response", "output", "delta"):
            answer = getattr(event, field, None)
            heard.append(said(answer))


class Spans(NullSpanHandler):
    """Hears what the methods of models return."""

    def span_exit(self, id_: str, *args: Any, result: Any = None, **kwargs: Any) -> None:
        """Keep it."""
        heard, method = _heard.get(), id_.partition("-")[0]
        if heard is not None and method.endswith(("chat", "complete", "predict")):
            heard.append(said(result))


get_dispatcher().add_event_handler(Events())
get_dispatcher().add_span_handler(Spans())


class Fixed(BaseRetriever):
    """Finds what it is told to."""

    def __init__(self, find: Callable[[], list[NodeWithScore]]) -> None:
        super().__init__()
        self.find = find

    def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
        return self.find()


class Custom(CustomLLM):
    """A model of the application's own, on the wire."""

    url: str

    @property
    def metadata(self) -> LLMMetadata:
        """Little is known."""
        return LLMMetadata(model_name="custom", context_window=16_000)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """All at once."""
        said = self._client.completions.create(model="custom", prompt=prompt)
        return CompletionResponse(text=said.choices[0].text)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """In pieces."""

        def pieces() -> CompletionResponseGen:
            text = ""
            for event in self._client.completions.create(
                model="custom", prompt=prompt, stream=True
            ):
                if event.choices:
                    text += event.choices[0].text
                    yield CompletionResponse(text=text, delta=event.choices[0].text)

        return pieces()

    @property
    def _client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key="none", max_retries=0)


@cache
def filed() -> VectorStoreIndex:
    """An index of the notes; made once, for other tracers are told of what is filed."""
    return VectorStoreIndex([node(note) for note in NOTES], embed_model=EMBEDDING)


class Kit:
    """An index of the notes, models, and engines of both."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._heard: list[str] = []
        self._token = _heard.set(self._heard)

    @property
    def heard(self) -> str:
        """All that events and spans told of answers."""
        return "\n".join(self._heard)

    def forget(self) -> None:
        """Forget what was heard: it was for somebody else."""
        self._heard.clear()

    def close(self) -> None:
        """Hear no more."""
        _heard.set(None)

    @property
    def nodes(self) -> list[TextNode]:
        """The notes as nodes."""
        return [node(note) for note in NOTES]

    @property
    def index(self) -> VectorStoreIndex:
        """An index of them."""
        return filed()

    @property
    def retriever(self) -> Any:
        """Finds both."""
        return self.index.as_retriever(similarity_top_k=2)

    def chat(self, model: str = "chat", **settings: Any) -> OpenAILike:
        """A chat model on the wire, which knows tools."""
        return self._model(model, is_chat_model=True, is_function_calling_model=True, **settings)

    def text(self) -> OpenAILike:
        """A text model on the wire."""
        return self._model("text", is_chat_model=False, is_function_calling_model=False)

    def custom(self) -> Custom:
        """A model of the application's own."""
        return Custom(url=self.wire.url)

    @property
    def broken(self) -> OpenAILike:
        """A model that always fails."""
        return self.chat(BROKEN)

    def _model(self, model: str, **settings: Any) -> OpenAILike:
        return OpenAILike(
            model=model,
            api_base=self.wire.url,
            api_key="none",
            context_window=16_000,
            max_retries=0,
            **settings,
        )

    def engine(self, **settings: Any) -> Any:
        """The usual engine: retrieve, fill in, ask."""
        return self.index.as_query_engine(llm=self.chat(), similarity_top_k=2, **settings)

    def messages(self, notes: str, asked: str) -> list[ChatMessage]:
        """The same prompt by hand."""
        return [
            ChatMessage(role="system", content=f"Notes:\n{notes}"),
            ChatMessage(role="user", content=asked),
        ]

    def by_hand(self, asked: str) -> list[ChatMessage]:
        """The same, with what was found in it."""
        return self.messages(joined(self.retriever.retrieve(asked)), asked)

    def find(self, notes: Sequence[Note]) -> list[str]:
        """Search what has these."""
        found = [NodeWithScore(node=node(note), score=1.0) for note in notes]
        return [one.text for one in Fixed(lambda: found).retrieve("fees")]

    def fail(self, error: Exception) -> Any:
        """Have a retriever raise ``error``."""

        def find() -> list[NodeWithScore]:
            raise error

        return Fixed(find).retrieve("fees")

    def ask(self, notes: str, asked: str) -> Any:
        """Ask a model."""
        return self.chat().chat(self.messages(notes, asked))

    def stream(self, notes: str, asked: str) -> Iterator[Any]:
        """Ask a model for pieces."""
        return self.chat().stream_chat(self.messages(notes, asked))
