"""What tracing costs an application, measured beside other tracers of the same application."""

from ragtrace.testing.overhead._bench import BARS, FULL, QUICK, SECTIONS, Effort, measure
from ragtrace.testing.overhead._tracers import BASE, OURS, TRACERS, Tracer, missing_tracers

__all__ = [
    "BARS",
    "BASE",
    "FULL",
    "OURS",
    "QUICK",
    "SECTIONS",
    "TRACERS",
    "Effort",
    "Tracer",
    "measure",
    "missing_tracers",
]
