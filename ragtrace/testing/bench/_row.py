"""Row: one figure of a bench, and the bar it has to clear."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of what, in which unit.

    Attributes:
        section: Part of the bench, such as ``speed``.
        subject: What was measured: a line of the table.
        measure: What of it: a column of the table.
        at_most: The bar where less is better.
        at_least: The bar where more is better.
    """

    section: str
    subject: str
    measure: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def name(self) -> str:
        """Names the row among all rows of a bench."""
        return f"{self.section}: {self.subject}: {self.measure}"

    @property
    def bar(self) -> float | None:
        """The value to clear, whichever way; None where there is none."""
        return self.at_most if self.at_most is not None else self.at_least

    @property
    def ok(self) -> bool:
        """False only where a bar is missed; a figure that is no number misses any bar."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least

    def as_json(self) -> dict[str, object]:
        """The row as the benches of ragtrace print it; a value that is no number is null."""
        return {
            "name": self.name,
            "value": self.value if self.value == self.value else None,
            "unit": self.unit,
            "bar": self.bar,
            "ok": self.ok,
        }
