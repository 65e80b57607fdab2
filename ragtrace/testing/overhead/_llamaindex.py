"""LlamaIndex: the measured application as its users write it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ragtrace.testing.overhead._material import Shelf

__all__ = ["LlamaIndexApplication"]


class LlamaIndexApplication:
    """A query engine of a retriever and a model, both scripted.

    Args:
        shelf: What is found and answered.
    """

    def __init__(self, shelf: Shelf, config: Any = None) -> None:
        self._engine, self._streaming = _engine(shelf, False), _engine(shelf, True)

    def invoke(self, question: str) -> None:
        """One call."""
        self._engine.query(question)

    async def ainvoke(self, question: str) -> None:
        """One call, on the event loop."""
        await self._engine.aquery(question)

    def stream(self, question: str) -> None:
        """One call, whose answer comes word by word."""
        for _ in self._streaming.query(question).response_gen:
            pass


def _engine(shelf: Shelf, streaming: bool) -> Any:
    # By name: the framework need not be installed, and has no types where it is not.
    engines = import_module("llama_index.core.query_engine")
    return engines.RetrieverQueryEngine.from_args(
        _retriever(shelf), llm=_model(shelf), streaming=streaming
    )


def _retriever(shelf: Shelf) -> Any:
    retrievers = import_module("llama_index.core.retrievers")
    schema = import_module("llama_index.core.schema")

    class Retriever(retrievers.BaseRetriever):  # type: ignore[misc,name-defined]
        def _retrieve(self, query: Any) -> list[Any]:
            return [
                schema.NodeWithScore(
                    node=schema.TextNode(
                        text=one.text,
                        id_=one.id,
                        metadata={"label": "internal", "source": f"handbook/{one.id}.md"},
                    ),
                    score=0.5,
                )
                for one in shelf.search()
            ]

    return Retriever()


def _model(shelf: Shelf) -> Any:
    llms = import_module("llama_index.core.llms")

    class Model(llms.CustomLLM):  # type: ignore[misc,name-defined]
        @property
        def metadata(self) -> Any:
            return llms.LLMMetadata(context_window=200_000, model_name="scripted")

        def complete(self, prompt: str, *_: Any, **__: Any) -> Any:
            return llms.CompletionResponse(text="".join(shelf.answer()))

        def stream_complete(self, prompt: str, *_: Any, **__: Any) -> Any:
            said = ""
            for word in shelf.answer():
                said += word
                yield llms.CompletionResponse(text=said, delta=word)

    return Model()
