"""How long the store's questions take over millions of flows, while spans arrive."""

from ragtrace.testing.store._questions import measure_questions

__all__ = ["measure_questions"]
