"""QdrantInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["QdrantInstrumentor"]


class QdrantInstrumentor(Instrumentor):
    """Traces and judges what every collection gives, sync and async."""

    modules = ("qdrant_client",)

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("qdrant-client >= 1.16, < 2",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap Qdrant's clients, which is imported by now."""
        from ragtrace_qdrant._hooks import hook_clients

        hook_clients(patches)
