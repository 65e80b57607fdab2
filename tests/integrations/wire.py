"""The witness, as the conformance suite has it."""

from ragtrace.testing.conformance import BROKEN, Wire

__all__ = ["BROKEN", "Wire"]
