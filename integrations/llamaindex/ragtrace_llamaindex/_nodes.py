"""Nodes: what LlamaIndex retrieved, as passages; and back without what was kept out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, TextNode

from ragtrace.capture import Runtime
from ragtrace.model import Passage, Source

__all__ = ["node_of", "passages", "returned", "source_of", "text_of"]

_STORES: Final = ("_vector_store", "vector_store", "_docstore")
"""Where retrievers keep what they search."""

_COLLECTION: Final = ("collection_name", "index_name", "table_name", "namespace")
"""Where vector stores keep the name of what they search."""


def source_of(holder: Any) -> Source:
    """The source a store or retriever searches, read off the object itself."""
    found = (getattr(holder, key, None) for key in _STORES)
    store = next((one for one in found if one is not None), holder)
    names = [getattr(store, key, None) for key in _COLLECTION]
    names.append(getattr(getattr(store, "_collection", None), "name", None))  # Chroma's own
    name = next((one for one in names if isinstance(one, str) and one), None)
    return Source.of_store(type(store).__name__, name)


def node_of(item: Any) -> BaseNode:
    """The node of an item of a result: itself, or that of a pair of node and score."""
    paired = type(item) is NodeWithScore or isinstance(item, NodeWithScore)
    node: BaseNode = item.node if paired else item
    return node


def text_of(node: BaseNode) -> str:
    """What is judged of a node: its text; of one without any, as a picture, its id."""
    return _content(node) or node.node_id


def _content(node: BaseNode) -> str:
    if type(node) is TextNode or isinstance(node, TextNode):
        return node.text
    return node.get_content(metadata_mode=MetadataMode.NONE)


def passages(found: Sequence[Any], source: Source, scores: Sequence[float] | None) -> list[Passage]:
    """The passages of a result."""
    return [
        _passage(item, source, rank, scores[rank] if scores and rank < len(scores) else None)
        for rank, item in enumerate(found)
    ]


def returned(
    runtime: Runtime,
    found: Sequence[Any],
    passages: Sequence[Passage],
    texts: Sequence[str | None],
) -> list[Any | None]:
    """Each item with its text as judged, ``None`` for those that were dropped.

    LlamaIndex writes metadata into prompts; the labels in it are not for the model, and are
    left out there. An item that is changed is a copy, because a store hands out what it keeps.
    """
    keys = _label_keys(runtime)
    return [
        None if text is None else _returned(item, text, text != passage.text, keys)
        for item, passage, text in zip(found, passages, texts, strict=True)
    ]


def _returned(item: Any, text: str, changed: bool, keys: frozenset[str]) -> Any | None:
    node = node_of(item)
    if changed and not _content(node):
        return None  # what a picture shows cannot be taken out of it
    told = keys.intersection(node.metadata).difference(node.excluded_llm_metadata_keys)
    if not changed and not told:
        return item
    excluded = [*node.excluded_llm_metadata_keys, *sorted(told)]
    node = node.model_copy(update={"excluded_llm_metadata_keys": excluded})
    if changed:
        node.set_content(text)
    if type(item) is NodeWithScore:
        return NodeWithScore(node=node, score=item.score)
    if not isinstance(item, NodeWithScore):
        return node
    return item.model_copy(update={"node": node})


def _label_keys(runtime: Runtime) -> frozenset[str]:
    keys = runtime.policy.labeller.keys
    return frozenset(key for key in (*keys.level, keys.tenant, keys.ranges) if key)


def _passage(item: Any, source: Source, rank: int, score: float | None) -> Passage:
    node = node_of(item)
    if item is not node and item.score is not None:
        score = float(item.score)
    metadata = dict(node.metadata)
    if node.relationships and (whole := node.ref_doc_id):
        metadata.setdefault("ref_doc_id", whole)
    return Passage(
        text=text_of(node),
        source=source,
        metadata=metadata,
        id=node.node_id,
        rank=rank,
        score=score,
    )
