"""Engines: the verdict that one of them swallows reaches its caller all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine

from ragtrace.capture import Patches, Request, current, current_request
from ragtrace.errors import PolicyBlocked

__all__ = ["hook_engines"]

Method = Callable[..., Any]


def hook_engines(patches: Patches) -> None:
    """Give no answer in a request that was refused on the way to it, where the policy raises.

    Some engines go on without a question that has failed, and answer from the rest.
    """
    patches.overrides(BaseQueryEngine, ["query"], _sync)
    patches.overrides(BaseQueryEngine, ["aquery"], _async)


def _sync(original: Method) -> Method:
    def query(engine: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(engine, *args, **kwargs)
        _raise_verdict(current_request())
        return answer

    return query


def _async(original: Method) -> Method:
    async def query(engine: Any, *args: Any, **kwargs: Any) -> Any:
        answer = await original(engine, *args, **kwargs)
        _raise_verdict(current_request())
        return answer

    return query


def _raise_verdict(request: Request | None) -> None:
    runtime = current()
    if request is None or runtime is None or runtime.policy.on_block != "raise":
        return
    if request.blocked is not None:
        raise PolicyBlocked(request.blocked)
