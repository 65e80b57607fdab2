"""Which text reached which text: prompt matcher and streaming guard."""

from ragtrace.attribution._cover import Cover, accounted_for
from ragtrace.attribution._guard import TRIGGER, WITHHELD, Guard
from ragtrace.attribution._matcher import Index
from ragtrace.attribution._run import MIN_RUN
from ragtrace.attribution._skeleton import Skeleton, skeleton

__all__ = [
    "MIN_RUN",
    "TRIGGER",
    "WITHHELD",
    "Cover",
    "Guard",
    "Index",
    "Skeleton",
    "accounted_for",
    "skeleton",
]
