"""Questions over the store, shaped once for the command line and the server."""

from ragtrace.forensics._kept import Kept, kept
from ragtrace.forensics._outcome import Outcome, outcome, outcomes
from ragtrace.forensics._painting import Painted, Stretch, paint
from ragtrace.forensics._reach import Reach, ReachCounts, reach
from ragtrace.forensics._trace import Step, TraceView, trace

__all__ = [
    "Kept",
    "Outcome",
    "Painted",
    "Reach",
    "ReachCounts",
    "Step",
    "Stretch",
    "TraceView",
    "kept",
    "outcome",
    "outcomes",
    "paint",
    "reach",
    "trace",
]
