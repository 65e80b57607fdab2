"""Retrieval hooks: every retriever leaf and every search of a vector store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from ragtrace.capture import Patches, Retrieval, current
from ragtrace_langchain._documents import passages, returned, source_of
from ragtrace_langchain._held import held
from ragtrace_langchain._turns import Turns

__all__ = ["hook_retrieval"]

RETRIEVERS: Final = ("_get_relevant_documents",)
ASYNC_RETRIEVERS: Final = ("_aget_relevant_documents",)

SEARCHES: Final = (
    "similarity_search",
    "similarity_search_with_score",
    "similarity_search_with_relevance_scores",
    "similarity_search_by_vector",
    "max_marginal_relevance_search",
    "max_marginal_relevance_search_by_vector",
    "get_by_ids",
)
ASYNC_SEARCHES: Final = tuple(f"a{name}" for name in SEARCHES)


def hook_retrieval(patches: Patches, turns: Turns) -> None:
    """Judge what leaves a retriever or a store before anybody, tracers included, has it."""
    patches.entries(BaseRetriever, ("invoke", "ainvoke"))
    for base, names, wrap in (
        (BaseRetriever, RETRIEVERS, _sync),
        (BaseRetriever, ASYNC_RETRIEVERS, _async),
        (VectorStore, SEARCHES, _sync),
        (VectorStore, ASYNC_SEARCHES, _async),
    ):
        patches.overrides(base, names, functools.partial(wrap, turns))


class _Search:
    """One search with the turn it belongs to; the same bracket for sync and async."""

    def __init__(self, turns: Turns, holder: Any, args: tuple[Any, ...], kwargs: Any) -> None:
        self.source = source_of(held(holder, "vectorstore") or holder)
        self.runtime = current()
        if self.runtime is None:
            return
        query = args[0] if args else kwargs.get("query", "")
        top_k = kwargs.get("k", args[1] if len(args) > 1 else None)
        leaf = isinstance(holder, BaseRetriever)
        self.turn = turns.of(self.runtime, kwargs.get("run_manager"), leaf=leaf)
        self.step = Retrieval(
            self.runtime,
            self.turn.request,
            self.source,
            top_k=top_k if isinstance(top_k, int) else None,
            query=query if isinstance(query, str) else "",
        )

    def __enter__(self) -> _Search:
        if self.runtime is not None:
            self.step.begin()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if self.runtime is not None:
            self.step.end(error)
            self.turn.close()

    def kept(self, found: Any) -> Any:
        """What of the result may be returned."""
        if self.runtime is None or not isinstance(found, list):
            return found
        return returned(found, self.step.judge(passages(found, self.source)))


def _sync(turns: Turns, original: Callable[..., Any]) -> Callable[..., Any]:
    def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _Search(turns, self, args, kwargs) as step:
            return step.kept(original(self, *args, **kwargs))

    return search


def _async(turns: Turns, original: Callable[..., Any]) -> Callable[..., Any]:
    async def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _Search(turns, self, args, kwargs) as step:
            return step.kept(await original(self, *args, **kwargs))

    return search
