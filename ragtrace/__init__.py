"""RAG context-flow tracing: which document reached which prompt, under which label, for whom."""

from ragtrace.capture import declassify, init, request, shutdown, transformation
from ragtrace.errors import PolicyBlocked, RagtraceError
from ragtrace.model import Label

__all__ = [
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
