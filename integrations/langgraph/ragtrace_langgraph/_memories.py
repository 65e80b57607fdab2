"""Memories: what a store gives back is judged before the graph has it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from langgraph.store.base import BaseStore, GetOp, Item, SearchItem, SearchOp
from langgraph.store.base.batch import AsyncBatchedBaseStore

from ragtrace.capture import Patches, Record, Retrieval, judge_records, search
from ragtrace.model import Source

__all__ = ["hook_stores"]

Method = Callable[..., Any]

READS: Final = ("get", "search")


def hook_stores(patches: Patches) -> None:
    """Judge what leaves every store, however it is asked."""
    patches.overrides(BaseStore, READS, _sync)
    patches.overrides(BaseStore, ["batch"], _batch)
    patches.overrides(BaseStore, [f"a{name}" for name in READS], _async)
    patches.overrides(BaseStore, ["abatch"], _abatch)


def _sync(original: Method) -> Method:
    def read(store: Any, *args: Any, **kwargs: Any) -> Any:
        with search(_source(), **_asked(kwargs)) as step:
            return _kept(step, original(store, *args, **kwargs))

    return read


def _async(original: Method) -> Method:
    async def read(store: Any, *args: Any, **kwargs: Any) -> Any:
        with search(_source(), **_asked(kwargs)) as step:
            return _kept(step, await original(store, *args, **kwargs))

    return read


def _batch(original: Method) -> Method:
    def batch(store: Any, ops: Iterable[Any]) -> Any:
        ops = list(ops)
        if not _reads(ops):
            return original(store, ops)
        with search(_source(), **_asked(_search(ops))) as step:
            return _kept(step, original(store, ops))

    return batch


def _abatch(original: Method) -> Method:
    async def batch(store: Any, ops: Iterable[Any]) -> Any:
        ops = list(ops)
        # Of one that gathers questions it runs in a task of the store's own, in the context in
        # which the store was made: whose memories these are is known above, to who has asked.
        if not _reads(ops) or isinstance(store, AsyncBatchedBaseStore):
            return await original(store, ops)
        with search(_source(), **_asked(_search(ops))) as step:
            return _kept(step, await original(store, ops))

    return batch


def _reads(ops: Sequence[Any]) -> bool:
    """Whether any of these operations gives memories."""
    return any(isinstance(one, GetOp | SearchOp) for one in ops)


def _search(ops: Sequence[Any]) -> Mapping[str, Any]:
    """The first search among them, as it would be asked by name."""
    return next((one._asdict() for one in ops if isinstance(one, SearchOp)), {})


def _asked(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a search says of itself."""
    query, many = said.get("query"), said.get("limit")
    return {
        "query": query if isinstance(query, str) else "",
        "top_k": many if isinstance(many, int) else None,
    }


def _kept(step: Retrieval | None, found: Any) -> Any:
    """The same without the memories that are dropped."""
    if step is None:
        return found
    if isinstance(found, Item):
        return _items(step, [found])[0]
    if not isinstance(found, list):
        return found
    if all(isinstance(one, SearchItem) for one in found):  # of one search
        return [item for item in _items(step, found) if item is not None]
    return [_kept(step, one) for one in found]  # of several operations at once


def _items(step: Retrieval, items: Sequence[Item]) -> list[Item | None]:
    kept: list[Item | None] = []
    for item in items:
        score = getattr(item, "score", None)
        record = Record(item.value, id=item.key, score=score)
        (value,) = judge_records(step, _source(item.namespace), [record])
        kept.append(None if value is None else _with(item, value))
    return kept


def _with(item: Item, value: dict[str, Any]) -> Item:
    """The very same item where nothing was changed; a store may keep the one it gives."""
    if value == item.value:
        return item
    changed = copy.copy(item)
    changed.value = value
    return changed


def _source(namespace: Sequence[str] = ()) -> Source:
    """The namespace of a memory, which is what an application calls its collections by."""
    return Source("/".join(["langgraph", *map(str, namespace)]))
