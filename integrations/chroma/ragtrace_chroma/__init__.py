"""Chroma: what a collection gives, where its own client asks it."""

from ragtrace_chroma._instrumentor import ChromaInstrumentor

__all__ = ["ChromaInstrumentor"]
