"""Paths of stores: every way their own clients give records, one of which holds the secret."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ragtrace.testing.conformance import LEVEL, NOTES, Note, Path

__all__ = ["CHROMA", "POSTGRES", "QDRANT", "Run", "made_chroma", "made_postgres", "made_qdrant"]

Run = Callable[[Any], Any]
"""Asks a store; gives all of what it has given."""

CHROMA: list[Path] = []
QDRANT: list[Path] = []
POSTGRES: list[Path] = []


def path(paths: list[Path]) -> Any:
    """Put a function among these paths."""

    def put(run: Run) -> Run:
        async def later(kit: Any, asked: str) -> Any:
            return await run(kit.holder)

        def now(kit: Any, asked: str) -> Any:
            return run(kit.holder)

        paths.append(Path(run.__name__, later if inspect.iscoroutinefunction(run) else now))
        return run

    return put


# --- Chroma ----------------------------------------------------------------------------------

ASKED: Any = {"query_embeddings": [[1.0, 0.0]], "n_results": 2}


def made_chroma(client: Any, notes: Sequence[Note] = NOTES) -> Any:
    """A collection with these notes in it, the first nearest to what is asked."""
    made = client.create_collection(f"notes-{uuid.uuid4().hex}", embedding_function=None)
    made.add(
        ids=[note.id for note in notes],
        documents=[note.text for note in notes],
        metadatas=[{LEVEL: note.level} for note in notes],
        embeddings=[[1.0 + place, 0.0] for place, _ in enumerate(notes)],
    )
    return made


@path(CHROMA)
def query(notes: Any) -> Any:
    found = notes.query(**ASKED)
    return found


@path(CHROMA)
def query_texts_alone(notes: Any) -> Any:
    found = notes.query(**ASKED, include=["documents"])
    assert found["metadatas"] is None and found["included"] == ["documents"]
    return found


@path(CHROMA)
def query_everything(notes: Any) -> Any:
    include: Any = ["documents", "embeddings", "distances", "metadatas", "uris"]
    found = notes.query(**ASKED, include=include)
    assert len(found["embeddings"][0]) == len(found["ids"][0]) == len(found["distances"][0])
    return found


@path(CHROMA)
def query_several(notes: Any) -> Any:
    found = notes.query(query_embeddings=[[1.0, 0.0], [0.0, 1.0]], n_results=2)
    assert len(found["documents"]) == 2
    return found


@path(CHROMA)
def get(notes: Any) -> Any:
    found = notes.get(["note-secret", "note-public"])
    return found


@path(CHROMA)
def peek(notes: Any) -> Any:
    found = notes.peek()
    return found


@path(CHROMA)
async def query_in_a_thread(notes: Any) -> Any:
    return await asyncio.to_thread(query, notes)


# --- Qdrant ----------------------------------------------------------------------------------

WHERE: Any = {"collection_name": "notes"}


def made_qdrant(client: Any, notes: Sequence[Note] = NOTES) -> Any:
    """What puts these notes into a client's collection; to be awaited where that is async."""
    from qdrant_client import models

    size = models.VectorParams(size=2, distance=models.Distance.EUCLID)
    points = [
        models.PointStruct(id=place, vector=[1.0 + place, 0.0], payload=_payload(note, place))
        for place, note in enumerate(notes)
    ]
    return [
        client.create_collection(**WHERE, vectors_config=size),
        client.upsert(**WHERE, points=points),
    ]


def _payload(note: Note, place: int) -> dict[str, Any]:
    """As LangChain files it, or as anybody may."""
    known = {"id": note.id, "group": str(place)}
    if place % 2:
        return {**known, "page_content": note.text, "metadata": {LEVEL: note.level}}
    return {**known, "text": note.text, LEVEL: note.level}


@path(QDRANT)
def query_points(client: Any) -> Any:
    found = client.query_points(**WHERE, query=[1.0, 0.0], limit=2)
    return found


@path(QDRANT)
def query_parts(client: Any) -> Any:
    wanted = ["text", "page_content"]
    found = client.query_points(**WHERE, query=[1.0, 0.0], with_payload=wanted)
    assert all(set(point.payload) <= set(wanted) for point in found.points)
    return found


@path(QDRANT)
def query_batch(client: Any) -> Any:
    from qdrant_client import models

    asked = models.QueryRequest(query=[1.0, 0.0], limit=2, with_payload=True)
    found = client.query_batch_points(**WHERE, requests=[asked, asked])
    assert len(found) == 2
    return found


@path(QDRANT)
def query_groups(client: Any) -> Any:
    found = client.query_points_groups(**WHERE, query=[1.0, 0.0], group_by="group")
    return found


@path(QDRANT)
def scroll(client: Any) -> Any:
    found = client.scroll(**WHERE)
    return found


@path(QDRANT)
def retrieve(client: Any) -> Any:
    found = client.retrieve(**WHERE, ids=[0, 1])
    return found


@path(QDRANT)
async def asynchronous(client: Any) -> Any:
    from qdrant_client import AsyncQdrantClient

    aclient = AsyncQdrantClient(":memory:")
    for step in made_qdrant(aclient):
        await step
    wanted: Any = ["text", "page_content"]
    found = [
        await aclient.query_points(**WHERE, query=[1.0, 0.0]),
        await aclient.query_points(**WHERE, query=[1.0, 0.0], with_payload=wanted),
        await aclient.scroll(**WHERE),
        await aclient.retrieve(**WHERE, ids=[0, 1]),
    ]
    await aclient.close()
    return found


# --- PostgreSQL ------------------------------------------------------------------------------


class Database:
    """Notes in a table."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.table = f"notes_{uuid.uuid4().hex}"

    @property
    def order(self) -> str:
        """SQL for the distance from what is asked."""
        return f"embedding <-> {point('1.0')}"

    def nearest(self, columns: str = "id, content, level", limit: int = 2) -> str:
        """A statement that searches by distance."""
        return f"select {columns} from {self.table} order by {self.order} limit {limit}"


def point(first: str) -> str:
    """SQL for a point on one axis."""
    return f"array[{first}::float8, 0.0]::vector"


def made_postgres(url: str, notes: Sequence[Note] = NOTES) -> Database:
    """A database with these notes in a table of their own."""
    import psycopg

    made = Database(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"create table {made.table} (id text, content text, level text, about jsonb,"
            " embedding vector(2))"
        )
        rows = [
            (note.id, note.text, note.level, f'{{"{LEVEL}": "{note.level}"}}', 1.0 + place)
            for place, note in enumerate(notes)
        ]
        statement = f"insert into {made.table} values (%s, %s, %s, %s, {point('%s')})"
        connection.cursor().executemany(statement, rows)
    return made


def connected(database: Any, **settings: Any) -> Any:
    """A connection that is closed with its block."""
    import psycopg

    return psycopg.connect(database.url, **settings)


@path(POSTGRES)
def fetchall(database: Any) -> Any:
    with connected(database) as connection:
        rows = connection.execute(database.nearest()).fetchall()
    assert all(isinstance(row, tuple) for row in rows)
    return rows


@path(POSTGRES)
def fetchone(database: Any) -> Any:
    with connected(database) as connection:
        cursor = connection.execute(database.nearest())
        rows = list(iter(cursor.fetchone, None))
    return rows


@path(POSTGRES)
def fetchmany(database: Any) -> Any:
    with connected(database) as connection:
        cursor = connection.execute(database.nearest())
        rows = [*cursor.fetchmany(1), *cursor.fetchmany(1)]
    return rows


@path(POSTGRES)
def iterated(database: Any) -> Any:
    with connected(database) as connection:
        rows = list(connection.execute(database.nearest()))
    return rows


@path(POSTGRES)
def dictionaries(database: Any) -> Any:
    from psycopg.rows import dict_row

    with connected(database, row_factory=dict_row) as connection:
        rows = connection.execute(database.nearest("content, level, embedding")).fetchall()
    return rows


@path(POSTGRES)
def another_factory_afterwards(database: Any) -> Any:
    from psycopg.rows import namedtuple_row

    with connected(database) as connection:
        cursor: Any = connection.execute(database.nearest())
        cursor.row_factory = namedtuple_row
        rows = cursor.fetchall()
    return rows


@path(POSTGRES)
def binary(database: Any) -> Any:
    with connected(database) as connection:
        rows = connection.execute(database.nearest("content, level"), binary=True).fetchall()
    return rows


@path(POSTGRES)
def server_cursor(database: Any) -> Any:
    with connected(database) as connection, connection.cursor("named") as cursor:
        cursor.execute(database.nearest())
        rows = list(cursor)
    return rows


@path(POSTGRES)
def streamed(database: Any) -> Any:
    from psycopg.rows import dict_row

    with connected(database) as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = list(cursor.stream(database.nearest()))
    return rows


@path(POSTGRES)
def pipelined(database: Any) -> Any:
    with connected(database) as connection, connection.pipeline():
        first = connection.execute(database.nearest())
        rows = first.fetchall()
    return rows


@path(POSTGRES)
def client_cursor(database: Any) -> Any:
    import psycopg

    with connected(database, cursor_factory=psycopg.ClientCursor) as connection:
        rows = connection.execute(database.nearest(), ()).fetchall()
    return rows


@path(POSTGRES)
def two_columns_of_one_name(database: Any) -> Any:
    with connected(database) as connection:
        statement = database.nearest("level, 'x' as content, content")
        rows = connection.execute(statement).fetchall()
    return rows


@path(POSTGRES)
def labelled_by_json(database: Any) -> Any:
    with connected(database) as connection:
        rows = connection.execute(database.nearest("content as body, about as meta")).fetchall()
    return rows


@path(POSTGRES)
async def asynchronously(database: Any) -> Any:
    import psycopg

    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        cursor = await connection.execute(database.nearest())
        first = await cursor.fetchone()
        rows = [row for row in [first] if row] + await cursor.fetchall()
    return rows


@path(POSTGRES)
async def iterated_asynchronously(database: Any) -> Any:
    import psycopg

    async with (
        await psycopg.AsyncConnection.connect(database.url) as connection,
        connection.cursor("named") as cursor,
    ):
        await cursor.execute(database.nearest())
        rows = [row async for row in cursor]
    return rows


@path(POSTGRES)
async def streamed_asynchronously(database: Any) -> Any:
    import psycopg

    async with (
        await psycopg.AsyncConnection.connect(database.url) as connection,
        connection.cursor() as cursor,
    ):
        rows = [row async for row in cursor.stream(database.nearest())]
    return rows


def engine(database: Any) -> Any:
    """SQLAlchemy on psycopg."""
    import sqlalchemy

    home = database.url.partition("?")
    return sqlalchemy.create_engine(
        f"postgresql+psycopg{home[0].removeprefix('postgresql')}{home[1]}{home[2]}"
    )


@path(POSTGRES)
def sqlalchemy_text(database: Any) -> Any:
    import sqlalchemy

    bound = engine(database)
    with bound.connect() as connection:
        rows = connection.execute(sqlalchemy.text(database.nearest())).mappings().all()
    bound.dispose()
    return rows


@path(POSTGRES)
def sqlalchemy_orm(database: Any) -> Any:
    import sqlalchemy
    from sqlalchemy import orm

    class Note:
        id: Any
        content: Any

    columns = [sqlalchemy.Column(name, sqlalchemy.Text) for name in ("content", "level")]
    key = sqlalchemy.Column("id", sqlalchemy.Text, primary_key=True)
    mapping = orm.registry()
    mapping.map_imperatively(
        Note, sqlalchemy.Table(database.table, mapping.metadata, key, *columns)
    )
    nearest = sqlalchemy.text(database.order)
    bound = engine(database)
    with orm.Session(bound) as session:
        notes = session.scalars(sqlalchemy.select(Note).order_by(nearest)).all()
        found = [(note.id, note.content) for note in notes]
    bound.dispose()
    return found


@path(POSTGRES)
async def sqlalchemy_async(database: Any) -> Any:
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine

    bound = create_async_engine(engine(database).url)
    async with bound.connect() as connection:
        found = await connection.execute(sqlalchemy.text(database.nearest()))
        rows = found.all()
    await bound.dispose()
    return rows
