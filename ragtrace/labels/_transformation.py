"""Transformation: a step of an application whose answers tell little of what they are made from."""

from __future__ import annotations

from dataclasses import dataclass

from ragtrace.labels._lattice import Lattice
from ragtrace.labels._release import released
from ragtrace.model import Chunk, Label

__all__ = ["Transformation"]


@dataclass(frozen=True, slots=True)
class Transformation:
    """A step that the policy names as safe.

    Attributes:
        id: As the application names it.
        label: What its answers carry at most.
        at_most: Characters of an answer; a longer one inherits everything. ``None``: no bound.
        reason: Why it is safe.
    """

    id: str
    label: Label
    at_most: int | None = None
    reason: str = ""

    def fits(self, size: int) -> bool:
        """Whether an answer of ``size`` characters is short enough."""
        return self.at_most is None or size <= self.at_most

    def apply(self, lattice: Lattice, chunk: Chunk) -> Chunk:
        """The answer under the lower label; its origins stay on record."""
        name = f"transformation:{self.id}"
        return released(lattice, chunk, self.label, name, name)
