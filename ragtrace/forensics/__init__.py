"""Questions over the store, shaped once for the command line and the server."""

from ragtrace.forensics._kept import Kept, kept
from ragtrace.forensics._outcome import Outcome, outcome, outcomes
from ragtrace.forensics._painting import Painted, Stretch, paint
from ragtrace.forensics._reach import Reach, ReachCounts, reach
from ragtrace.forensics._rerun import Dependence, Prices, Rerun, VariantAnswers, rerun
from ragtrace.forensics._rerun_endpoint import Endpoint
from ragtrace.forensics._rerun_plan import Plan, RerunError, Variant, plan_rerun
from ragtrace.forensics._similarity import SOURCE, similarity
from ragtrace.forensics._then_and_now import (
    Change,
    FiledToday,
    IndexedToday,
    Retrieved,
    ThenAndNow,
    then_and_now,
)
from ragtrace.forensics._trace import Step, TraceView, trace

__all__ = [
    "SOURCE",
    "Change",
    "Dependence",
    "Endpoint",
    "FiledToday",
    "IndexedToday",
    "Kept",
    "Outcome",
    "Painted",
    "Plan",
    "Prices",
    "Reach",
    "ReachCounts",
    "Rerun",
    "RerunError",
    "Retrieved",
    "Step",
    "Stretch",
    "ThenAndNow",
    "TraceView",
    "Variant",
    "VariantAnswers",
    "kept",
    "outcome",
    "outcomes",
    "paint",
    "plan_rerun",
    "reach",
    "rerun",
    "similarity",
    "then_and_now",
    "trace",
]
