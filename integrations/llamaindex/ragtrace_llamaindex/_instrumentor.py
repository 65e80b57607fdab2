"""LlamaIndexInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ragtrace.capture import Instrumentor, Patches

if TYPE_CHECKING:
    from ragtrace_llamaindex._turns import Turns

__all__ = ["LlamaIndexInstrumentor"]


class LlamaIndexInstrumentor(Instrumentor):
    """Traces and enforces in every LlamaIndex retriever, vector store and language model."""

    modules = ("llama_index.core",)

    _turns: Turns | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("llama-index-core >= 0.13, < 0.15",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap LlamaIndex, which is imported by now."""
        from ragtrace_llamaindex._engines import hook_engines
        from ragtrace_llamaindex._models import hook_models
        from ragtrace_llamaindex._retrieval import hook_retrieval
        from ragtrace_llamaindex._turns import Turns

        self._turns = of_runs = Turns()
        hook_retrieval(patches, of_runs)
        hook_models(patches, of_runs)
        hook_engines(patches)
        of_runs.listen()

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        if self._turns is not None:
            self._turns.leave()
