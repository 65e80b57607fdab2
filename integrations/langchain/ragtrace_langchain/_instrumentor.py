"""LangChainInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ragtrace.capture import Instrumentor, Patches

if TYPE_CHECKING:
    from ragtrace_langchain._turns import Turns

__all__ = ["LangChainInstrumentor"]


class LangChainInstrumentor(Instrumentor):
    """Traces and enforces in every LangChain retriever, vector store, chat and text model."""

    modules = ("langchain_core",)

    _turns: Turns | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("langchain-core >= 1.4, < 2",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap LangChain, which is imported by now."""
        from ragtrace_langchain._chat import hook_chat
        from ragtrace_langchain._retrieval import hook_retrieval
        from ragtrace_langchain._text import hook_text
        from ragtrace_langchain._turns import turns

        self._turns = of_runs = turns()
        of_runs.switch(on=True)
        hook_retrieval(patches, of_runs)
        hook_chat(patches, of_runs)
        hook_text(patches, of_runs)

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        if self._turns is not None:
            self._turns.switch(on=False)
