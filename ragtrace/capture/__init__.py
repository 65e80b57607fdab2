"""In the user's process: request scope, ledger, spans, the enforcement point."""

from ragtrace.capture._answer import TEXT
from ragtrace.capture._cached import may_have
from ragtrace.capture._call import Call
from ragtrace.capture._call_span import Model
from ragtrace.capture._coverage import Gap, gaps, hooks_of, why_left_out
from ragtrace.capture._declassify import declassify
from ragtrace.capture._guarded import failures, guarded
from ragtrace.capture._instrumentor import Instrumentor
from ragtrace.capture._integrations import disabled, import_all, instrument_all, integrations
from ragtrace.capture._leaves import Path, leaves, replaced, unread
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._lock import renewed_in_child
from ragtrace.capture._opened import Opened
from ragtrace.capture._patches import Patches
from ragtrace.capture._propagator import Propagator
from ragtrace.capture._records import Record, judge_records
from ragtrace.capture._request import METADATA_KEY, OpenRequest, Request, current_request
from ragtrace.capture._retrieval import Retrieval, enclosing_request
from ragtrace.capture._runtime import Runtime, current, install
from ragtrace.capture._search import search
from ragtrace.capture._setup import ensure, flush, init, request, shutdown
from ragtrace.capture._shared import Shared
from ragtrace.capture._transformation import transformation
from ragtrace.capture._turn import Turn
from ragtrace.capture._underway import asked_by, asking, is_asked

__all__ = [
    "METADATA_KEY",
    "TEXT",
    "Call",
    "Gap",
    "Instrumentor",
    "Ledger",
    "Model",
    "OpenRequest",
    "Opened",
    "Patches",
    "Path",
    "Propagator",
    "Record",
    "Request",
    "Retrieval",
    "Runtime",
    "Shared",
    "Turn",
    "asked_by",
    "asking",
    "current",
    "current_request",
    "declassify",
    "disabled",
    "enclosing_request",
    "ensure",
    "failures",
    "flush",
    "gaps",
    "guarded",
    "hooks_of",
    "import_all",
    "init",
    "install",
    "instrument_all",
    "integrations",
    "is_asked",
    "judge_records",
    "leaves",
    "may_have",
    "renewed_in_child",
    "replaced",
    "request",
    "search",
    "shutdown",
    "transformation",
    "unread",
    "why_left_out",
]
