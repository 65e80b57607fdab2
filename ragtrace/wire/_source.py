"""Source: the store that a recorded retrieval searched, where the span names it."""

from __future__ import annotations

from typing import Final

from ragtrace.model import Source
from ragtrace.wire import _names as names
from ragtrace.wire._recorded import Recorded, named, short, whole

__all__ = ["source_of"]

_KINDS: Final = ("db.system.name", "db.system")
_COLLECTIONS: Final = (
    *("db.collection.name", "db.chroma.collection.name", "db.milvus.collection_name"),
    *("db.qdrant.collection_name", "db.pinecone.index_name", "db.weaviate.collection_name"),
)
_PROVIDER: Final = "ls_vector_store_provider"
"""Where LangChain tells every tracer of the class of the store, in the metadata of the run."""
_PROVIDED: Final = (
    f"traceloop.association.properties.{_PROVIDER}",
    f"langfuse.observation.metadata.{_PROVIDER}",
)


def source_of(span: Recorded) -> Source:
    """``kind/collection``, or as much of it as is recorded; a name in lower case as of a class.

    A ``source`` in a document's metadata is where the document is from, and not the store.
    """
    said = span.attributes
    stored = short(said.get(names.GEN_AI_DATA_SOURCE))
    if stored:
        return Source(stored)
    kind = next((said[name] for name in (*_KINDS, *_PROVIDED) if said.get(name)), "")
    kind = short(whole(kind) if kind else named(said.get("metadata")).get(_PROVIDER)).lower()
    name = next((found for key in _COLLECTIONS if (found := short(said.get(key)))), "")
    return Source.of_store(kind, name) if kind else Source(name)
