"""Hooks: the methods of a cursor that give rows.

Rows are taken as PostgreSQL has sent them, judged, and only then made into what the cursor's row
factory makes of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncCursor, AsyncServerCursor, Cursor, ServerCursor
from psycopg.rows import tuple_row

from ragtrace.capture import Patches, current
from ragtrace_pgvector._rows import Row, failed, judged
from ragtrace_pgvector._statement import Statement

__all__ = ["hook_cursors"]

Method = Callable[..., Any]

_whole: WeakKeyDictionary[Any, tuple[Any, list[Row | None]]] = WeakKeyDictionary()
"""By cursor a result that has arrived as a whole, and its rows: they are judged in one."""


def hook_cursors(patches: Patches) -> None:
    """Judge rows before their reader has them."""
    now: tuple[type, ...] = (Cursor, ServerCursor)
    later: tuple[type, ...] = (AsyncCursor, AsyncServerCursor)
    for owner in now:
        patches.method(owner, "fetchone", _one)
        patches.method(owner, "fetchmany", _many)
        patches.method(owner, "fetchall", _all)
        if hasattr(owner, "__next__"):
            patches.method(owner, "__next__", _one)
        else:  # before psycopg 3.3
            patches.method(owner, "__iter__", _each)
    for owner in later:
        patches.method(owner, "fetchone", _aone)
        patches.method(owner, "fetchmany", _amany)
        patches.method(owner, "fetchall", _aall)
        if hasattr(owner, "__anext__"):
            patches.method(owner, "__anext__", _aone)
        else:
            patches.method(owner, "__aiter__", _aeach)
    patches.method(Cursor, "stream", _stream)
    patches.method(AsyncCursor, "stream", _astream)


def _statement(cursor: Any) -> Statement | None:
    """The statement whose rows the cursor has, if they are to be judged."""
    runtime, asked = current(), cursor._query
    if runtime is None or asked is None:
        return None
    return Statement.of(asked.query.decode("utf-8", "replace"), runtime.config.tables)


@contextmanager
def _raw(cursor: Any, statement: Statement) -> Iterator[Callable[[Row], Any]]:
    """Rows come as they were sent; gives what makes of one what the reader is to have."""
    make = cursor._make_row
    cursor._make_row = tuple
    try:
        yield make
    except (StopIteration, StopAsyncIteration):
        raise
    except Exception as error:
        failed(statement, error)
        raise
    finally:
        cursor._make_row = make


def _kept(cursor: Any, statement: Statement, start: int, rows: list[Row]) -> list[Row]:
    """What may be used of rows, the first of which was at ``start`` of the result."""
    columns = [column.name for column in cursor.description or ()]
    if isinstance(cursor, ServerCursor | AsyncServerCursor):
        found = judged(statement, columns, rows)
    else:
        result, every = _whole.get(cursor, (None, []))
        if result is not cursor.pgresult:
            sent = cursor._tx.load_rows(0, cursor.pgresult.ntuples, tuple)
            every = judged(statement, columns, sent)
            _whole[cursor] = (cursor.pgresult, every)
        found = every[start : start + len(rows)]
    return [row for row in found if row is not None]


def _one(original: Method) -> Method:
    def fetchone(cursor: Any) -> Any:
        cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return original(cursor)
        while True:
            start = cursor._pos
            with _raw(cursor, statement) as make:
                row = original(cursor)
            if row is None:
                return None
            for kept in _kept(cursor, statement, start, [row]):
                return make(kept)

    return fetchone


def _aone(original: Method) -> Method:
    async def fetchone(cursor: Any) -> Any:
        await cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return await original(cursor)
        while True:
            start = cursor._pos
            with _raw(cursor, statement) as make:
                row = await original(cursor)
            if row is None:
                return None
            for kept in _kept(cursor, statement, start, [row]):
                return make(kept)

    return fetchone


def _each(original: Method) -> Method:
    def each(cursor: Any) -> Iterator[Any]:
        cursor._fetch_pipeline()
        statement = _statement(cursor)
        rows = original(cursor)
        if statement is None:
            yield from rows
            return
        one = _one(lambda cursor: next(rows, None))
        while (row := one(cursor)) is not None:
            yield row

    return each


def _aeach(original: Method) -> Method:
    async def each(cursor: Any) -> AsyncIterator[Any]:
        await cursor._fetch_pipeline()
        statement = _statement(cursor)
        rows = original(cursor)
        if statement is None:
            async for row in rows:
                yield row
            return
        one = _aone(lambda cursor: anext(rows, None))
        while (row := await one(cursor)) is not None:
            yield row

    return each


def _many(original: Method) -> Method:
    def fetchmany(cursor: Any, size: int = 0) -> Any:
        cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return original(cursor, size)
        wanted: int = size or cursor.arraysize
        made: list[Any] = []
        while len(made) < wanted:  # fewer would say that there are no more
            start = cursor._pos
            with _raw(cursor, statement) as make:
                rows = original(cursor, wanted - len(made))
            if not rows:
                break
            made += map(make, _kept(cursor, statement, start, rows))
        return made

    return fetchmany


def _amany(original: Method) -> Method:
    async def fetchmany(cursor: Any, size: int = 0) -> Any:
        await cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return await original(cursor, size)
        wanted: int = size or cursor.arraysize
        made: list[Any] = []
        while len(made) < wanted:
            start = cursor._pos
            with _raw(cursor, statement) as make:
                rows = await original(cursor, wanted - len(made))
            if not rows:
                break
            made += map(make, _kept(cursor, statement, start, rows))
        return made

    return fetchmany


def _all(original: Method) -> Method:
    def fetchall(cursor: Any) -> Any:
        cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return original(cursor)
        start = cursor._pos
        with _raw(cursor, statement) as make:
            rows = original(cursor)
        return [make(row) for row in _kept(cursor, statement, start, rows)]

    return fetchall


def _aall(original: Method) -> Method:
    async def fetchall(cursor: Any) -> Any:
        await cursor._fetch_pipeline()
        statement = _statement(cursor)
        if statement is None:
            return await original(cursor)
        start = cursor._pos
        with _raw(cursor, statement) as make:
            rows = await original(cursor)
        return [make(row) for row in _kept(cursor, statement, start, rows)]

    return fetchall


@contextmanager
def _unmade(cursor: Any) -> Iterator[Callable[[Row], list[Any]]]:
    """Rows of a stream come as they were sent; gives what makes of one what the reader has."""
    factory = cursor._row_factory
    cursor._row_factory = tuple_row

    def made(row: Row) -> list[Any]:
        statement = _statement(cursor)
        columns = [column.name for column in cursor.description or ()]
        kept = [row] if statement is None else judged(statement, columns, [row])
        return [factory(cursor)(one) for one in kept if one is not None]

    try:
        yield made
    finally:
        cursor._row_factory = factory


def _stream(original: Method) -> Method:
    def stream(cursor: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with _unmade(cursor) as made:
            for row in original(cursor, *args, **kwargs):
                yield from made(row)

    return stream


def _astream(original: Method) -> Method:
    async def stream(cursor: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with _unmade(cursor) as made:
            async for row in original(cursor, *args, **kwargs):
                for one in made(row):
                    yield one

    return stream
