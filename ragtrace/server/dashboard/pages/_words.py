"""Words: times, numbers and lengths as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = ["ago", "count", "moment", "or_nobody", "plural", "took"]

_STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment(ns: int) -> str:
    """A time in UTC to the second."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def ago(ns: int, now_ns: int) -> str:
    """How long ago that was, in the largest unit that fits."""
    seconds = (now_ns - ns) // 1_000_000_000
    if seconds < 0:
        return "in the future"
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def took(ns: int) -> str:
    """A duration to three digits."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")


def plural(number: int, one: str, many: str = "") -> str:
    """A number of things."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def or_nobody(audience: str) -> str:
    """The name of an audience, or that there is none."""
    return audience or "unknown audience"
