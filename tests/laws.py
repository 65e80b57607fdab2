"""How many examples a law is tried with."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

__all__ = ["examples"]

FEWEST: Final = 25
"""Below, a law would hardly be tried at all."""


def examples(thorough: int) -> int:
    """So many; with the profile ``quick`` the share of them that its own number is of 100."""
    return max(FEWEST, thorough * settings().max_examples // 100)
