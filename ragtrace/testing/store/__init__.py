"""How long the store's questions take over millions of flows, while spans arrive."""

from ragtrace.testing.store._material import FIRST_NS, PERIOD_NS, fill, settle, trace_id
from ragtrace.testing.store._questions import measure_questions

__all__ = ["FIRST_NS", "PERIOD_NS", "fill", "measure_questions", "settle", "trace_id"]
