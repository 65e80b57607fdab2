"""PostgreSQL holds what every integration holds that finds documents; and what is its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import psycopg
import pytest

import ragtrace
from ragtrace.testing.conformance import (
    NOTES,
    PUBLIC,
    SECRET,
    Adapter,
    Claim,
    Conformance,
    Note,
    Wire,
    leaks,
)
from ragtrace_pgvector import PgvectorInstrumentor
from ragtrace_pgvector._statement import Statement
from tests.integrations.conftest import Start
from tests.integrations.paths_of_stores import POSTGRES, Database, connected, made_postgres
from tests.integrations.spans import flows, of
from tests.postgres_server import postgres_url


@cache
def filed() -> Database:
    """The notes, filed once."""
    return made_postgres(postgres_url())


class Kit:
    """A table."""

    heard = ""

    def __init__(self, wire: Wire) -> None:
        self.holder = filed()

    def find(self, notes: Sequence[Note]) -> list[str]:
        """All of them, the nearest first."""
        made = made_postgres(postgres_url(), notes)
        with connected(made) as connection:
            rows = connection.execute(made.nearest(limit=len(notes))).fetchall()
            connection.execute(f"drop table {made.table}")
        return [row[1] for row in rows]

    def fail(self, error: Exception) -> Any:
        """The application's reading of a row breaks."""

        class Broken(psycopg.adapt.Loader):  # type: ignore[name-defined,misc]
            def load(self, data: Any) -> Any:
                raise error

        with connected(self.holder) as connection:
            cursor = connection.cursor()
            cursor.adapters.register_loader("text", Broken)
            return cursor.execute(self.holder.nearest()).fetchall()

    def close(self) -> None:
        """Nothing was changed."""


ITERATED = "__anext__" if hasattr(psycopg.AsyncCursor, "__anext__") else "__aiter__"
"""By which a cursor is read in a loop; the first since psycopg 3.3."""


class TestPgvector(Conformance):
    adapter = Adapter(
        PgvectorInstrumentor,
        Kit,
        POSTGRES,
        hooked=[
            (psycopg.Cursor, "fetchall"),
            (psycopg.Cursor, "stream"),
            (psycopg.ServerCursor, "fetchmany"),
            (psycopg.AsyncCursor, "fetchone"),
            (psycopg.AsyncServerCursor, ITERATED),
        ],
        claims=frozenset({Claim.RETRIEVAL}),
    )


# --- which statements ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "source", "top_k"),
    [
        ("select content from notes order by embedding <-> $1 limit 5", "pgvector/notes", 5),
        ('SELECT * FROM "app"."Notes" ORDER BY e <=> $1 LIMIT $2', "pgvector/app.Notes", None),
        ("select 1 - cosine_distance(e, $1) from app.notes", "pgvector/app.notes", None),
        ("select e <#> $1, e <+> $1, e <~> $1, e <%> $1", "pgvector/rows", None),
        (
            "with near as (select * from notes order by e <-> $1) select * from near",
            "pgvector/notes",
            None,
        ),
    ],
)
def test_a_statement_that_searches_by_distance_is_judged(
    text: str, source: str, top_k: int | None
) -> None:
    """Its table is the first that it reads, its number the limit that is written in it."""
    found = Statement.of(text, ())
    assert found is not None and (found.source.id, found.top_k) == (source, top_k)


@pytest.mark.parametrize("text", ["select content from notes", "select a -> 'b' from c", "begin"])
def test_other_statements_are_not(text: str) -> None:
    """What has no distance in it is none of ragtrace's business."""
    assert Statement.of(text, ()) is None


@pytest.mark.parametrize(
    "text",
    ["select * from notes", 'select * from "notes"', "select * from match_notes($1), Notes n"],
)
def test_a_table_of_the_setting_is_judged_whatever_the_statement(text: str) -> None:
    """Named in any spelling, as a word."""
    found = Statement.of(text, ("notes",))
    assert found is not None and found.source.id == "pgvector/notes"
    assert Statement.of(text.replace("otes", "otes_old"), ("notes",)) is None


def rows(statement: str, audience: str = "customer") -> list[Any]:
    """What a reader has of a statement about the notes."""
    with ragtrace.request(audience), connected(filed()) as connection:
        found: list[Any] = connection.execute(statement.format(filed().table)).fetchall()
    return found


def test_a_plain_statement_is_judged_where_a_setting_names_its_table(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By id, by word, or all of it."""
    statement = "select content, level from {} order by id desc"
    start("drop")
    assert len(rows(statement)) == 2
    monkeypatch.setenv("RAGTRACE_TABLES", filed().table)
    start("drop")
    assert rows(statement) == [(PUBLIC, "public")] or not leaks(repr(rows(statement)))
    assert leaks(repr(rows(statement, "staff")))


# --- which of a row is text ------------------------------------------------------------------


def test_of_a_row_without_a_known_text_every_string_is_the_strictest(start: Start) -> None:
    """A column of another name may be the document, whatever the label says."""
    start("redact")
    found = rows(
        f"select id, content as remark, 'public' as level from {{}} order by {filed().order}"
    )
    assert not leaks(repr(found)) and [row[0] for row in found] == ["note-secret", "note-public"]
    assert found[1][1] == "[redacted]"


def test_numbers_are_left_as_they_are(start: Start) -> None:
    """A statement that gives no string gives what it gave."""
    spans = start("drop")
    assert rows(f"select count(*) from {{}} where {filed().order} < 100") == [(2,)]
    assert not any(map(flows, of(spans, "retrieval")))


def test_a_result_is_judged_in_one(start: Start) -> None:
    """However a result is fetched, it is one search; a cursor may go back in it."""
    spans = start("drop")
    with ragtrace.request("customer"), connected(filed()) as connection:
        cursor = connection.execute(filed().nearest())
        assert cursor.fetchone()[1] == PUBLIC and cursor.fetchone() is None
        cursor.scroll(0, "absolute")
        assert [row[1] for row in cursor] == [PUBLIC]
    assert len(of(spans, "retrieval")) == 1


def test_fewer_rows_do_not_look_like_the_end(start: Start) -> None:
    """A page of rows is as long as was asked for, as long as there are more."""
    notes = [
        Note(str(n), f"Rule {n}: {SECRET if n % 2 else PUBLIC}", ("public", "staff_only")[n % 2])
        for n in range(8)
    ]
    start("drop")
    made = made_postgres(postgres_url(), notes)
    with ragtrace.request("customer"), connected(made) as connection:
        cursor = connection.execute(made.nearest("id, content, level", 8))
        pages = list(iter(lambda: cursor.fetchmany(2), []))
    assert [[row[0] for row in page] for page in pages] == [["0", "2"], ["4", "6"]]


def test_the_users_row_factory_sees_only_what_may_be_used(start: Start) -> None:
    """A row factory of the application's is called with rows that have been judged."""
    seen: list[Any] = []

    def factory(cursor: Any) -> Any:
        def made(values: Any) -> Any:
            seen.append(tuple(values))
            return {"row": values}

        return made

    start("drop")
    with ragtrace.request("customer"), connected(filed(), row_factory=factory) as connection:
        assert len(connection.execute(filed().nearest()).fetchall()) == 1
    assert not leaks(repr(seen)) and len(seen) == 1


# --- SQLAlchemy on another driver ------------------------------------------------------------


def each(result: Any) -> list[Any]:
    """The rows of a result one by one."""
    return [tuple(row) for row in result]


@pytest.mark.parametrize(
    "fetch",
    [
        lambda result: result.all(),
        lambda result: result.fetchmany(2),
        lambda result: list(filter(None, [result.fetchone(), result.fetchone()])),
        lambda result: [result.first()],
        lambda result: list(result.mappings()),
        lambda result: [row for some in result.partitions(1) for row in some],
        each,
    ],
    ids=["all", "fetchmany", "fetchone", "first", "mappings", "partitions", "each"],
)
@pytest.mark.parametrize("options", [{}, {"yield_per": 1}], ids=["buffered", "streamed"])
def test_rows_of_any_driver_are_judged(
    options: Any, fetch: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the driver, and however SQLAlchemy is read."""
    import sqlalchemy

    engine = sqlalchemy.create_engine("sqlite://")
    monkeypatch.setenv("RAGTRACE_TABLES", "notes")
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text("create table notes (id text, content text, level text)")
        )
        insert = sqlalchemy.text("insert into notes values (:id, :text, :level)")
        notes = [{"id": n.id, "text": n.text, "level": n.level} for n in NOTES]
        connection.execute(insert, notes)
        asked = sqlalchemy.text("select id, content, level from notes").execution_options(**options)
        for decision in ("drop", "redact"):
            start(decision)
            with ragtrace.request("customer"):
                found = repr(fetch(connection.execute(asked)))
            assert not leaks(found) and (decision == "redact" or PUBLIC in found)
            with ragtrace.request("staff"):
                assert leaks(repr(fetch(connection.execute(asked))))
