"""LlamaIndex: every retriever, vector store, postprocessor and language model."""

from ragtrace_llamaindex._instrumentor import LlamaIndexInstrumentor

__all__ = ["LlamaIndexInstrumentor"]
