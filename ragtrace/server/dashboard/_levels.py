"""Levels: which label is stricter, where only its name is known."""

from __future__ import annotations

import os
from typing import Final

from ragtrace import config
from ragtrace.errors import RagtraceError
from ragtrace.labels import Lattice

__all__ = ["Levels", "levels_of_policy"]

_CUSTOM: Final = (
    ("public", "clear", "white", "open", "unclassified"),
    ("general", "green", "internal", "private"),
    ("amber", "confidential", "staff", "staff_only", "partner"),
    ("amber+strict", "restricted", "sensitive"),
    ("red", "secret", "strictly_confidential", "top_secret"),
)
"""What people call their levels, least restricted first, where no policy says the order."""
TINTS: Final = len(_CUSTOM)
"""Tints there are, from the least restricted to the most."""


class Levels:
    """Ranks levels as a policy does: one it does not know is stricter than all it knows.

    Args:
        order: Of the policy, from least to most restricted; without one, custom.
    """

    def __init__(self, order: tuple[str, ...] = ()) -> None:
        self._lattice = Lattice(order) if order else None

    def rank(self, level: str) -> int:
        """Place of a level, rising with strictness."""
        if self._lattice is not None:
            return self._lattice.rank(level)
        name = level.lower().replace("-", "_").replace(" ", "_")
        return next((rank for rank, names in enumerate(_CUSTOM) if name in names), TINTS)

    def above(self, level: str, clearance: str) -> bool:
        """Whether ``level`` is beyond ``clearance``; where none was recorded, nobody can say."""
        return bool(level and clearance) and self.rank(level) > self.rank(clearance)

    def tint(self, level: str) -> int:
        """A number from 0 to ``TINTS`` - 1, the same for levels of one strictness."""
        rank = self.rank(level)
        if self._lattice is not None:
            last = max(1, len(self._lattice.levels) - 1)
            rank = min(TINTS - 1, round(rank * (TINTS - 1) / last))
        return min(rank, TINTS - 1)


def levels_of_policy() -> Levels:
    """The order of the policy that ``RAGTRACE_POLICY`` names; custom where it cannot be read."""
    path = config.POLICY.value(os.environ)
    if path is None:
        return Levels()
    from ragtrace.policy import read_policy

    try:
        return Levels(read_policy(path, registry=False).lattice.levels)
    except RagtraceError:
        return Levels()
