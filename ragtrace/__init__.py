"""RAG context-flow tracing: which document reached which prompt, under which label, for whom."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ragtrace.capture import declassify, init, request, shutdown, transformation
    from ragtrace.errors import PolicyBlocked, RagtraceError
    from ragtrace.model import Label
    from ragtrace_asgi import AsgiMiddleware

__all__ = [
    "AsgiMiddleware",
    "Label",
    "PolicyBlocked",
    "RagtraceError",
    "declassify",
    "init",
    "request",
    "shutdown",
    "transformation",
]

__version__ = "0.1.0"

_FROM: Final = {
    "AsgiMiddleware": "ragtrace_asgi",
    "Label": "ragtrace.model",
    "PolicyBlocked": "ragtrace.errors",
    "RagtraceError": "ragtrace.errors",
}
"""Where each name is from; the others are from ``ragtrace.capture``."""


def __getattr__(name: str) -> Any:
    # When it is first used: a program or a command that only imports this package does not wait
    # for what traces, and an integration is found by name where it is installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_FROM.get(name, "ragtrace.capture")), name)
    globals()[name] = value
    return value
