"""Questions over the store, shaped once for the command line and the server."""

from ragtrace.forensics._again import FlowAgain, LevelAgain, StepAgain
from ragtrace.forensics._asked import MOST_TRACES, TLP, EvidenceAsked, PolicyText, Tlp
from ragtrace.forensics._candidate import Candidate
from ragtrace.forensics._evidence import export_evidence, signed_by
from ragtrace.forensics._judge_again import judge_again
from ragtrace.forensics._kept import Kept, Missing, kept
from ragtrace.forensics._outcome import Outcome, outcome, outcomes
from ragtrace.forensics._painting import Painted, Stretch, paint
from ragtrace.forensics._passage import Holders, Way, holders
from ragtrace.forensics._reach import Reach, ReachCounts, reach
from ragtrace.forensics._reach_csv import reach_csv
from ragtrace.forensics._recorded import RecordedStep, recorded
from ragtrace.forensics._replay import Replay, ReplayStep, Timed, replay
from ragtrace.forensics._rerun import Dependence, Prices, Rerun, VariantAnswers, rerun
from ragtrace.forensics._rerun_endpoint import Endpoint
from ragtrace.forensics._rerun_judged import JudgedVariant, judge_rerun
from ragtrace.forensics._rerun_plan import Plan, RerunError, Variant, plan_rerun
from ragtrace.forensics._said import Lines, Said
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
from ragtrace.forensics._what_if import SETTLED, Judged, WhatIf, what_if

__all__ = [
    "MOST_TRACES",
    "SETTLED",
    "SOURCE",
    "TLP",
    "Candidate",
    "Change",
    "Dependence",
    "Endpoint",
    "EvidenceAsked",
    "FiledToday",
    "FlowAgain",
    "Holders",
    "IndexedToday",
    "Judged",
    "JudgedVariant",
    "Kept",
    "LevelAgain",
    "Lines",
    "Missing",
    "Outcome",
    "Painted",
    "Plan",
    "PolicyText",
    "Prices",
    "Reach",
    "ReachCounts",
    "RecordedStep",
    "Replay",
    "ReplayStep",
    "Rerun",
    "RerunError",
    "Retrieved",
    "Said",
    "Step",
    "StepAgain",
    "Stretch",
    "ThenAndNow",
    "Timed",
    "Tlp",
    "TraceView",
    "Variant",
    "VariantAnswers",
    "Way",
    "WhatIf",
    "export_evidence",
    "holders",
    "judge_again",
    "judge_rerun",
    "kept",
    "outcome",
    "outcomes",
    "paint",
    "plan_rerun",
    "reach",
    "reach_csv",
    "recorded",
    "replay",
    "rerun",
    "signed_by",
    "similarity",
    "then_and_now",
    "trace",
    "what_if",
]
