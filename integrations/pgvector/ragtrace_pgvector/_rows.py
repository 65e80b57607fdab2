"""Rows: what a statement gave, as records; and back without what may not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from ragtrace.capture import Record, judge_records, search
from ragtrace_pgvector._statement import Statement

__all__ = ["Row", "failed", "judged"]

Row = tuple[Any, ...]

_SCORES: Final = ("distance", "score", "similarity")
"""What applications call the column that a search is ordered by."""


def judged(statement: Statement, columns: Sequence[str], rows: Sequence[Row]) -> list[Row | None]:
    """For each row what of it may be used; ``None`` where it is dropped."""
    with search(statement.source, top_k=statement.top_k) as step:
        if step is None:
            return list(rows)
        names = _names(columns)
        records = [_record(dict(zip(names, row, strict=True))) for row in rows]
        kept = judge_records(step, statement.source, records)
    return [None if fields is None else tuple(fields.values()) for fields in kept]


def failed(statement: Statement, error: Exception) -> None:
    """Tell of a search whose rows could not be read."""
    with suppress(type(error)), search(statement.source, top_k=statement.top_k):
        raise error


def _record(fields: dict[str, Any]) -> Record:
    known = fields.get("id", fields.get("uuid"))
    scores = (fields.get(name) for name in _SCORES)
    score = next((one for one in scores if isinstance(one, int | float)), None)
    return Record(fields, None if known is None else str(known), score)


def _names(columns: Sequence[str]) -> list[str]:
    """The names of the columns, each once."""
    seen: Counter[str] = Counter()
    names = []
    for name in columns:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names
