"""LangChain holds what every integration holds."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore, VectorStoreRetriever
from langchain_openai import ChatOpenAI, OpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInference

from ragtrace.testing.conformance import Adapter, Conformance
from ragtrace_langchain import LangChainInstrumentor
from tests.integrations import paths_of_applications, paths_of_models
from tests.integrations.kit import Kit
from tests.integrations.path import PATHS

MODULES = (paths_of_models.__name__, paths_of_applications.__name__)
"""Importing them has put what they define among the paths; the plainest come first."""

LANGCHAIN = Adapter(
    LangChainInstrumentor,
    Kit,
    sorted(PATHS, key=lambda path: MODULES.index(path.run.__module__)),
    hooked=[
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
    ],
    neighbours=[OpenInference],
)


class TestLangChain(Conformance):
    adapter = LANGCHAIN
