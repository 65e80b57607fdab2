"""Documents: what LangChain retrieved, as passages; and back without what was kept out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document

from ragtrace.model import Passage, Source
from ragtrace_langchain._held import held

__all__ = ["passages", "returned", "source_of"]

_COLLECTION = ("_collection_name", "collection_name", "index_name", "table_name", "namespace")
"""Where vector stores keep the name of what they search."""


def source_of(holder: Any) -> Source:
    """The source a store or retriever searches, read off the object itself."""
    kind = type(holder).__name__
    name = next(
        (str(value) for key in _COLLECTION if isinstance(value := held(holder, key), str)),
        None,
    )
    return Source.of_store(kind, name)


def passages(found: Sequence[Any], source: Source) -> list[Passage]:
    """The passages of a result: documents, or pairs of document and score."""
    return [_passage(item, source, rank) for rank, item in enumerate(found)]


def returned(found: Sequence[Any], texts: Sequence[str | None]) -> list[Any]:
    """The result with each document's text as judged, without those that were dropped.

    An unchanged document is the very same object; a changed one is a copy, because a store
    may hand out objects it keeps.
    """
    kept = []
    for item, text in zip(found, texts, strict=True):
        if text is None:
            continue
        document = item[0] if isinstance(item, tuple) else item
        if text != document.page_content:
            document = document.model_copy(update={"page_content": text})
            item = (document, *item[1:]) if isinstance(item, tuple) else document
        kept.append(item)
    return kept


def _passage(item: Any, source: Source, rank: int) -> Passage:
    document: Document = item[0] if isinstance(item, tuple) else item
    score = float(item[1]) if isinstance(item, tuple) and len(item) > 1 else None
    return Passage(
        text=document.page_content,
        source=source,
        metadata=dict(document.metadata),
        id=document.id,
        rank=rank,
        score=score,
    )
