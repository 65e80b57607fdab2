"""LangGraph: memories of a store, and cached steps; models and retrievers are LangChain's."""

from ragtrace_langgraph._instrumentor import LangGraphInstrumentor

__all__ = ["LangGraphInstrumentor"]
