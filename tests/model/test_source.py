"""A source has one name, whoever reads it, and answers to the others."""

from __future__ import annotations

import pytest

from ragtrace.model import Source


@pytest.mark.parametrize(
    ("kind", "id", "aliases"),
    [
        ("Chroma", "chroma/notes", ()),
        ("ChromaVectorStore", "chroma/notes", ("chromavectorstore/notes", "chromavectorstore")),
        ("QdrantVectorStore", "qdrant/notes", ("qdrantvectorstore/notes", "qdrantvectorstore")),
        ("PGVector", "pgvector/notes", ()),
        ("InMemoryVectorStore", "inmemoryvectorstore/notes", ()),
    ],
)
def test_a_frameworks_store_is_called_as_its_own_client_calls_it(
    kind: str, id: str, aliases: tuple[str, ...]
) -> None:
    """And is known by the name of its class as well."""
    found = Source.of_store(kind, "notes")
    assert found == Source(id, aliases)
    assert all(found.fits(name) for name in (id, *aliases)) and not found.fits("notes")


def test_a_table_beneath_a_collection_is_known_by_both() -> None:
    """What is read by way of a framework is the collection; what names the table fits too."""
    read = Source("pgvector/langchain_pg_embedding").within(Source.of_store("PGVector", "notes"))
    assert read.id == "pgvector/notes" and read.fits("pgvector/langchain_pg_*")


def test_what_merely_asks_a_store_lends_it_no_name() -> None:
    """A retriever over several stores is none of them."""
    store = Source("qdrant/notes")
    assert store.within(Source("ensembleretriever")) is store
