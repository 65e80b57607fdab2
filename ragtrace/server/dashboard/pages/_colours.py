"""Colours where a style sheet does not reach: in charts. The same as in ``look.css``."""

from __future__ import annotations

from typing import Final

__all__ = ["ALARM", "INK", "OUTCOMES", "TINT"]

TINT: Final = ("#4fa893", "#3f8fd2", "#5b63d3", "#8747c9", "#a0359f")
"""Of levels, from the least to the most restricted."""
ALARM: Final = "#e5352b"
"""Told beyond clearance, and nothing else."""
INK: Final = "#7d8794"
"""Legible on white and on black."""
OUTCOMES: Final = {
    "disclosed": "#2f9e6e",
    "used": "#d9a13b",
    "kept_out": "#5c4a8a",
    "retrieved": "#aab2bd",
}
"""As the badges of the decisions that lead to them."""
