"""OpenAIInstrumentor: the integration's entry point."""

from __future__ import annotations

from collections.abc import Collection

from ragtrace.capture import Instrumentor, Patches

__all__ = ["OpenAIInstrumentor"]


class OpenAIInstrumentor(Instrumentor):
    """Traces and enforces in every model call of the official SDK, sync and async."""

    modules = ("openai",)

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions whose hook points are known."""
        return ("openai >= 2, < 3",)

    def patch(self, patches: Patches, module: str) -> None:
        """Wrap the SDK, which is imported by now."""
        from ragtrace_openai._hooks import hook_clients

        hook_clients(patches)
