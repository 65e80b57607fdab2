"""Qdrant: what a collection gives, where its own client asks it."""

from ragtrace_qdrant._instrumentor import QdrantInstrumentor

__all__ = ["QdrantInstrumentor"]
