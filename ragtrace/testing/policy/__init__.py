"""What a decision costs, measured beside other policy engines on the same rules."""

from ragtrace.testing.policy._bench import BAR_US, FULL, QUICK, SIZES, Effort, check, measure
from ragtrace.testing.policy._engine import ENGINES, OURS, Engine, Judge, missing_engines
from ragtrace.testing.policy._sharing import BAR_MS, measure_sharing
from ragtrace.testing.policy._workload import AUDIENCES, RULES, Workload, workload

__all__ = [
    "AUDIENCES",
    "BAR_MS",
    "BAR_US",
    "ENGINES",
    "FULL",
    "OURS",
    "QUICK",
    "RULES",
    "SIZES",
    "Effort",
    "Engine",
    "Judge",
    "Workload",
    "check",
    "measure",
    "measure_sharing",
    "missing_engines",
    "workload",
]
