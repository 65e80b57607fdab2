"""OpenAI: every model call of the official SDK, where no framework makes it."""

from ragtrace_openai._instrumentor import OpenAIInstrumentor

__all__ = ["OpenAIInstrumentor"]
