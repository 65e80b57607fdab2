"""Sheet: rows of a bench laid out for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from ragtrace.testing.bench._row import Row

__all__ = ["Sheet", "missed", "sheets"]


class Sheet(NamedTuple):
    """A table: a line for each subject, a column for each measure; "" where there is no figure."""

    section: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def sheets(rows: Iterable[Row]) -> list[Sheet]:
    """Tables of ``rows``; subjects that follow each other share one where their measures do.

    They do where one has all that the other has: the rest is "" for the other.
    """
    made: list[Sheet] = []
    for (section, subject), found in groupby(rows, key=lambda row: (row.section, row.subject)):
        line = {section: subject} | {_heading(row): _cell(row) for row in found}
        last = made[-1] if made else Sheet("", (), ())
        known = set(last.columns)
        if last.section != section or not (line.keys() <= known or line.keys() >= known):
            made.append(Sheet(section, tuple(line), (tuple(line.values()),)))
            continue
        columns = tuple(dict.fromkeys([*last.columns, *line]))
        wider = [(*cells, *[""] * (len(columns) - len(cells))) for cells in last.lines]
        wider.append(tuple(line.get(column, "") for column in columns))
        made[-1] = Sheet(section, columns, tuple(wider))
    return made


def missed(rows: Sequence[Row]) -> list[Row]:
    """Rows that do not clear their bar."""
    return [row for row in rows if not row.ok]


def _heading(row: Row) -> str:
    return f"{row.measure}, {row.unit}" if row.unit else row.measure


def _cell(row: Row) -> str:
    if row.bar is None:
        return _number(row.value)
    sign = "≤" if row.at_most is not None else "≥"
    return f"{_number(row.value)} {'ok' if row.ok else 'MISSED'} {sign} {_number(row.bar)}"


def _number(value: float) -> str:
    """Three digits that count, and no more."""
    if value != value:
        return "-"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 or value == int(value) else f"{value:.4f}"
