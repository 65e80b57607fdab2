"""LangChain's standard suites hold of a chat model, a retriever and a store, wrapped or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_tests")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from ragtrace.testing import recording
from ragtrace_langchain import LangChainInstrumentor
from tests.integrations.kit import write_policy

EMBEDDING = DeterministicFakeEmbedding(size=6)


class Standing(BaseRetriever):
    """Finds as many documents as it is asked for."""

    k: int = 3

    def _get_relevant_documents(self, query: str, *, run_manager: Any, **kwargs: Any) -> Any:
        labels = {"level": "public"}
        count = kwargs.get("k", self.k)
        return [Document(f"Note {n} on {query}.", metadata=labels) for n in range(count)]


@pytest.fixture(params=["bare", "wrapped"], autouse=True)
def _wrapped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Each test once as LangChain is, and once under a policy that keeps the staff's notes back."""
    if request.param == "bare":
        yield
        return
    policy = tmp_path / "standard.yaml"
    policy.write_text(
        Path(write_policy(tmp_path, "drop", "raise"))
        .read_text()
        .replace("version: 1", "version: 1\nunlabelled: public", 1)
    )
    with recording(str(policy), instrument=False, audience="customer"):
        LangChainInstrumentor().instrument()
        try:
            yield
        finally:
            LangChainInstrumentor().uninstrument()


@pytest.fixture
def benchmark() -> Any:
    """How long it takes is measured elsewhere; here it is done."""
    return lambda run, *args, **kwargs: run(*args, **kwargs)


class TestChatModel(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return GenericFakeChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"messages": iter([AIMessage("Good day.")] * 100)}

    @property
    def returns_usage_metadata(self) -> bool:
        return False  # it counts no tokens, wrapped or not


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return Standing

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {}

    @property
    def retriever_query_example(self) -> str:
        return "fees"


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return InMemoryVectorStore(self.get_embeddings())
