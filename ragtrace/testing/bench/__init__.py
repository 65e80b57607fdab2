"""What all benches have in common: rows with bars, tables of them, and fair timing."""

from ragtrace.testing.bench._listener import Listener, Silent
from ragtrace.testing.bench._row import Row
from ragtrace.testing.bench._sheet import Sheet, missed, sheets
from ragtrace.testing.bench._timing import Timed, frozen, interleaved, resident

__all__ = [
    "Listener",
    "Row",
    "Sheet",
    "Silent",
    "Timed",
    "frozen",
    "interleaved",
    "missed",
    "resident",
    "sheets",
]
