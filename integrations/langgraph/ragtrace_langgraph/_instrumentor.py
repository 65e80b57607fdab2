"""LangGraphInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["LangGraphInstrumentor"]


class LangGraphInstrumentor(Instrumentor):
    """Judges what a graph's store and its cache of steps give."""

    modules = ("langgraph.store.base", "langgraph.cache.base")

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known; stores and caches come with checkpoints."""
        return ("langgraph-checkpoint >= 4.3, < 5",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap the stores or the caches, whose module is imported by now."""
        if module == "langgraph.store.base":
            from ragtrace_langgraph._memories import hook_stores

            hook_stores(patches)
        else:
            from ragtrace_langgraph._steps import hook_caches

            hook_caches(patches)
