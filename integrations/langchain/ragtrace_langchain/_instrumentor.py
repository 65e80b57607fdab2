"""LangChainInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["LangChainInstrumentor"]


class LangChainInstrumentor(Instrumentor):
    """Traces and enforces in every LangChain retriever, vector store, chat and text model."""

    modules = ("langchain_core",)

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("langchain-core >= 1.4, < 2",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap LangChain, which is imported by now."""
        from ragtrace_langchain._chat import hook_chat
        from ragtrace_langchain._retrieval import hook_retrieval
        from ragtrace_langchain._runs import hook_runs
        from ragtrace_langchain._text import hook_text
        from ragtrace_langchain._turns import Turns

        turns = Turns()
        hook_runs(patches, turns)
        hook_retrieval(patches, turns)
        hook_chat(patches, turns)
        hook_text(patches, turns)
