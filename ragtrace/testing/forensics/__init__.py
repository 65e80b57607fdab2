"""How long the questions of an incident take, over stores of growing size."""

from ragtrace.testing.forensics._bench import FULL, QUICK, Effort, measure

__all__ = ["FULL", "QUICK", "Effort", "measure"]
