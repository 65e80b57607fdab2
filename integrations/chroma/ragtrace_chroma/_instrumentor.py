"""ChromaInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["ChromaInstrumentor"]


class ChromaInstrumentor(Instrumentor):
    """Traces and judges what every collection gives, sync and async."""

    modules = ("chromadb",)

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("chromadb >= 1, < 2",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap Chroma, which is imported by now."""
        from ragtrace_chroma._hooks import hook_collections

        hook_collections(patches)
