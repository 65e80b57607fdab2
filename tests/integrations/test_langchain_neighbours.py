"""What ragtrace does to LangChain and to others who trace it: as little as can be told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, BaseLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore, VectorStoreRetriever
from langchain_openai import ChatOpenAI, OpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInference
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ragtrace
from ragtrace_langchain import LangChainInstrumentor
from ragtrace_openai import OpenAIInstrumentor
from tests.integrations.conftest import Start
from tests.integrations.kit import PUBLIC, SECRET, Kit, ask, leaks
from tests.integrations.spans import Spans, flows, of, written

HOOKED = [
    (BaseChatModel, "_generate_with_cache"),
    (BaseChatModel, "_agenerate_with_cache"),
    (BaseChatModel, "_convert_cached_generations"),
    (ChatOpenAI, "_stream"),
    (ChatOpenAI, "_astream"),
    (BaseLLM, "generate"),
    (BaseLLM, "agenerate"),
    (OpenAI.__mro__[1], "_stream"),
    (OpenAI.__mro__[1], "_generate"),
    (VectorStoreRetriever, "_get_relevant_documents"),
    (VectorStoreRetriever, "_aget_relevant_documents"),
    (InMemoryVectorStore, "similarity_search"),
    (VectorStore, "asimilarity_search"),
]
BASES = (BaseChatModel, BaseLLM, BaseRetriever, VectorStore)


def now() -> list[Any]:
    """The functions that stand at every hook, the neighbour's among them."""
    own = [base.__dict__.get("__init_subclass__") for base in BASES]
    theirs = BaseCallbackManager.__dict__["__init__"]
    return [*(owner.__dict__[name] for owner, name in HOOKED), *own, theirs]


def same(before: list[Any]) -> bool:
    """Whether every one of them is the very same object."""
    return all(one is two for one, two in zip(before, now(), strict=True))


# --- OpenInference beside us -----------------------------------------------------------------


@pytest.fixture
def theirs() -> Iterator[Spans]:
    """OpenInference's spans; installed by ``beside``, gone after the test."""
    spans = InMemorySpanExporter()
    yield spans
    if OpenInference().is_instrumented_by_opentelemetry:
        OpenInference().uninstrument()


def beside(spans: Spans) -> None:
    """Instrument with OpenInference."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    OpenInference().instrument(tracer_provider=provider)


def test_openinference_beside_us_changes_no_count(kit: Kit, start: Start, theirs: Spans) -> None:
    """With both installed every retrieval and every call is still judged once."""
    spans = start("drop")
    ask(kit)
    alone = sorted(span.name for span in spans.get_finished_spans())
    spans.clear()
    beside(theirs)
    ask(kit)
    assert sorted(span.name for span in spans.get_finished_spans()) == alone
    assert len(of(spans, "chat")) == len(of(spans, "retrieval")) == 1


@pytest.mark.parametrize("ours_first_in", [True, False])
@pytest.mark.parametrize("ours_first_out", [True, False])
def test_either_may_go_first(
    ours_first_in: bool, ours_first_out: bool, kit: Kit, start: Start, theirs: Spans
) -> None:
    """Each uninstrumented in either order leaves the other working, and at last nothing."""
    before = now()
    if not ours_first_in:
        beside(theirs)
    start("drop")
    OpenAIInstrumentor().uninstrument()  # the SDK beneath would still be looked after
    if ours_first_in:
        beside(theirs)
    if ours_first_out:
        LangChainInstrumentor().uninstrument()
        assert leaks(ask(kit)) and theirs.get_finished_spans()
        OpenInference().uninstrument()
    else:
        OpenInference().uninstrument()
        assert not leaks(ask(kit)) and not theirs.get_finished_spans()
        LangChainInstrumentor().uninstrument()
    assert same(before)
    assert leaks(ask(kit))


# --- coming and going ------------------------------------------------------------------------


def test_again_and_again_leaves_nothing(start: Start) -> None:
    """Neither hooks nor callback handlers pile up."""
    from langchain_core.tracers.context import _configure_hooks

    before, handlers = now(), 0
    for turn in range(3):
        start("drop")
        ragtrace.shutdown()
        handlers = handlers if turn else len(_configure_hooks)
    assert same(before)
    assert len(_configure_hooks) == handlers


def test_a_class_defined_later_is_covered(kit: Kit, start: Start) -> None:
    """Retrievers, stores and models that are defined after the start are wrapped as well."""
    spans = start("drop")

    class Late(BaseRetriever):
        def _get_relevant_documents(self, query: str) -> list[Document]:  # told of no run
            return kit.notes

    class Later(Late):
        """Inherits all it has."""

    class LateModel(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            yield from super()._stream(*args, **kwargs)

    model = LateModel(messages=iter([AIMessage(PUBLIC)] * 9))
    for retriever in (Late(), Later()):
        with ragtrace.request("customer"):
            assert [note.page_content for note in retriever.invoke("fee")] == [PUBLIC]
            assert list(model.stream(SECRET))
    assert len(of(spans, "retrieval")) == len(of(spans, "chat")) == 2
    assert all(flows(span)[0]["action"] == "drop" for span in of(spans, "chat"))


class Broken(Exception):
    """The application's own."""


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "chain", "store"])
def test_the_users_exception_is_the_same_object(how: str, kit: Kit, start: Start) -> None:
    """What a retriever or a store raises leaves exactly as it came, and is noted."""
    error = Broken(SECRET)

    class Failing(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            raise error

    class FailingStore(InMemoryVectorStore):
        def similarity_search(self, *args: Any, **kwargs: Any) -> Any:
            raise error

    spans = start("drop")
    with pytest.raises(Broken) as raised, ragtrace.request("customer"):
        if how == "ainvoke":
            asyncio.run(Failing().ainvoke("fee"))
        elif how == "store":
            FailingStore(kit.embeddings).similarity_search("fee")
        else:
            (Failing() if how == "invoke" else kit.chain(retriever=Failing())).invoke("fee")
    assert raised.value is error
    assert error.__cause__ is None and error.args == (SECRET,)
    (span,) = of(spans, "retrieval")
    assert (span.attributes or {})["error.type"] == "Broken"
    assert not leaks(written(spans))
