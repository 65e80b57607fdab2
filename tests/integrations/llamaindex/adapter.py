"""LlamaIndex, as the conformance suite sees it."""

from __future__ import annotations

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import CustomLLM
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.llms.openai import OpenAI

from ragtrace.testing.conformance import Adapter
from ragtrace_llamaindex import LlamaIndexInstrumentor
from tests.integrations.llamaindex import paths_of_retrievers
from tests.integrations.llamaindex.kit import Kit
from tests.integrations.llamaindex.paths import PATHS

__all__ = ["LLAMAINDEX"]

try:
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as OpenInference
except ModuleNotFoundError:  # of which there is no version for llama-index-core 0.13.0
    NEIGHBOURS = []
else:
    NEIGHBOURS = [OpenInference]

ALL = (paths_of_retrievers,)
"""Importing it has put what it defines among the paths."""

LLAMAINDEX = Adapter(
    LlamaIndexInstrumentor,
    Kit,
    PATHS,
    hooked=[
        *((OpenAI, name) for name in ("chat", "stream_chat", "achat", "astream_chat")),
        *((OpenAI, name) for name in ("complete", "stream_complete", "acomplete")),
        (OpenAI, "astream_complete"),
        (CustomLLM, "chat"),
        (BaseRetriever, "_aretrieve"),
        (BaseRetriever, "_handle_recursive_retrieval"),
        (VectorIndexRetriever, "_retrieve"),
        (SimpleVectorStore, "query"),
    ],
    neighbours=NEIGHBOURS,
)
