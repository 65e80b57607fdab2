"""In the user's process: request scope, ledger, spans, the enforcement point."""

from ragtrace.capture._answer import TEXT
from ragtrace.capture._call import Call
from ragtrace.capture._call_span import Model
from ragtrace.capture._declassify import declassify
from ragtrace.capture._guarded import failures, guarded
from ragtrace.capture._instrumentor import Instrumentor
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._patches import Patches
from ragtrace.capture._propagator import Propagator
from ragtrace.capture._request import METADATA_KEY, OpenRequest, Request, current_request
from ragtrace.capture._retrieval import Retrieval, enclosing_request
from ragtrace.capture._runtime import Runtime, current, install
from ragtrace.capture._setup import ensure, init, request, shutdown
from ragtrace.capture._shared import Shared
from ragtrace.capture._transformation import transformation

__all__ = [
    "METADATA_KEY",
    "TEXT",
    "Call",
    "Instrumentor",
    "Ledger",
    "Model",
    "OpenRequest",
    "Patches",
    "Propagator",
    "Request",
    "Retrieval",
    "Runtime",
    "Shared",
    "current",
    "current_request",
    "declassify",
    "enclosing_request",
    "ensure",
    "failures",
    "guarded",
    "init",
    "install",
    "request",
    "shutdown",
    "transformation",
]
