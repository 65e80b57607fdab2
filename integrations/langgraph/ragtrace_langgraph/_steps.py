"""Steps: what a node answered somebody else is not taken out of the cache for this reader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from langgraph.cache.base import BaseCache

from ragtrace.capture import Patches, may_have

__all__ = ["hook_caches"]

Method = Callable[..., Any]


def hook_caches(patches: Patches) -> None:
    """A step whose cached result this reader may not have is not in the cache: it runs again."""
    patches.overrides(BaseCache, ["get"], _sync)
    patches.overrides(BaseCache, ["aget"], _async)


def _sync(original: Method) -> Method:
    def get(cache: Any, *args: Any, **kwargs: Any) -> Any:
        return _kept(original(cache, *args, **kwargs))

    return get


def _async(original: Method) -> Method:
    async def get(cache: Any, *args: Any, **kwargs: Any) -> Any:
        return _kept(await original(cache, *args, **kwargs))

    return get


def _kept(found: Any) -> Any:
    if not isinstance(found, Mapping) or not found:
        return found
    return {key: value for key, value in found.items() if may_have(list(_texts(value)))}


def _texts(value: Any) -> Iterator[str]:
    """Every text in what nodes have written: channels with messages, documents, anything."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for one in value.values() for text in _texts(one))
    elif hasattr(type(value), "model_fields"):  # messages and documents are pydantic's
        yield from _texts(dict(value))
    elif isinstance(value, Collection) and not isinstance(value, bytes):
        yield from (text for one in value for text in _texts(one))
    elif value is not None and not isinstance(value, bool | int | float | bytes):
        yield repr(value)  # of whatever kind it is, this is most likely to hold its text
