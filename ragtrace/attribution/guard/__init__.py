"""The guard: lets a completion through but for what it must not say."""

from ragtrace.attribution.guard._guard import Guard
from ragtrace.attribution.guard._protected import TRIGGER
from ragtrace.attribution.guard._run_filter import WITHHELD

__all__ = ["TRIGGER", "WITHHELD", "Guard"]
