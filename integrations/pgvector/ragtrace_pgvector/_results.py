"""Results: what SQLAlchemy has of a driver that is not wrapped itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from sqlalchemy.engine import CursorResult

from ragtrace.capture import Patches, current
from ragtrace_pgvector._rows import Row, judged
from ragtrace_pgvector._statement import Statement

__all__ = ["hook_results"]

Method = Callable[..., Any]

_BENEATH: Final = frozenset({"psycopg", "psycopg_async"})
"""Drivers whose cursors are wrapped."""

AT_ONCE: Final = 100
"""Rows judged in one, of a result that is read row by row: as many as a page of a list has, and
few enough to come soon."""


def hook_results(patches: Patches) -> None:
    """Judge rows as the driver gave them, before anything is made of them."""
    patches.method(CursorResult, "_fetchone_impl", _one)
    patches.method(CursorResult, "_fetchmany_impl", _many)
    patches.method(CursorResult, "_fetchall_impl", _all)
    patches.method(CursorResult, "_fetchiter_impl", _each)


class _Judge:
    """What may be used of the rows of one result."""

    def __init__(self, statement: Statement, columns: list[str]) -> None:
        self._statement = statement
        self._columns = columns

    @classmethod
    def of(cls, result: Any) -> _Judge | None:
        """The judge of a result, if its rows are to be judged, and here."""
        runtime, context, cursor = current(), result.context, result.cursor
        if runtime is None or cursor is None or context.dialect.driver in _BENEATH:
            return None
        asked = Statement.of(str(context.statement or ""), runtime.config.tables)
        if asked is None:
            return None
        return cls(asked, [str(column[0]) for column in cursor.description or ()])

    def kept(self, rows: list[Any]) -> list[Row]:
        """Those that may be, as they may be."""
        found = judged(self._statement, self._columns, [tuple(row) for row in rows])
        return [row for row in found if row is not None]


def _one(original: Method) -> Method:
    def fetchone(result: Any, *args: Any, **kwargs: Any) -> Any:
        judge = _Judge.of(result)
        row = original(result, *args, **kwargs)
        while judge is not None and row is not None:
            for kept in judge.kept([row]):
                return kept
            row = original(result, *args, **kwargs)
        return row

    return fetchone


def _many(original: Method) -> Method:
    def fetchmany(result: Any, size: int | None = None) -> Any:
        judge = _Judge.of(result)
        rows = original(result, size)
        while judge is not None and rows:
            if kept := judge.kept(rows):  # none at all would say that there are no more
                return kept
            rows = original(result, size)
        return rows

    return fetchmany


def _all(original: Method) -> Method:
    def fetchall(result: Any) -> Any:
        judge = _Judge.of(result)
        rows = original(result)
        return rows if judge is None else judge.kept(rows)

    return fetchall


def _each(original: Method) -> Method:
    def fetched(result: Any) -> Iterator[Any]:
        judge = _Judge.of(result)
        rows = original(result)
        if judge is None:
            yield from rows
            return
        while some := list(islice(rows, AT_ONCE)):
            yield from judge.kept(some)

    return fetched
