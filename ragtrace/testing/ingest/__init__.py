"""How fast telemetry is taken in, what of it survives a crash, and what it takes on disk."""

from ragtrace.testing.ingest._bench import FULL, QUICK, SECTIONS, Effort, measure

__all__ = ["FULL", "QUICK", "SECTIONS", "Effort", "measure"]
