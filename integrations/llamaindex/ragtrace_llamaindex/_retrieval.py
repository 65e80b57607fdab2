"""Retrieval hooks: every retriever, every store, and every step that adds to what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import IndexNode, QueryBundle
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from ragtrace.capture import Patches, Retrieval, Runtime, current, search
from ragtrace.model import Source
from ragtrace_llamaindex._inside import inside
from ragtrace_llamaindex._nodes import node_of, passages, returned, source_of, text_of
from ragtrace_llamaindex._turns import Turns

__all__ = ["hook_retrieval"]

Method = Callable[..., Any]

_FROM_NODES: Final = ("_handle_recursive_retrieval", "_postprocess_nodes")
"""Methods that are handed nodes and give nodes, others among them."""


def hook_retrieval(patches: Patches, turns: Turns) -> None:
    """Judge what leaves a retriever or a store before anybody, tracers included, has it."""
    for base, name in (
        (BaseRetriever, "_retrieve"),
        (BaseRetriever, "_handle_recursive_retrieval"),
        (BaseNodePostprocessor, "_postprocess_nodes"),
        (BasePydanticVectorStore, "query"),
        (BasePydanticVectorStore, "get_nodes"),
    ):
        hooks = _Hooks(turns, from_nodes=name in _FROM_NODES)
        asynchronous = f"_a{name[1:]}" if name.startswith("_") else f"a{name}"
        patches.overrides(base, [name], partial(inside, wrap=hooks.sync))
        # Older versions have no postprocessor that is async.
        optional = base is BaseNodePostprocessor
        wrap = partial(inside, wrap=hooks.coroutine)
        patches.overrides(base, [asynchronous], wrap, optional=optional)


class _Hooks:
    """The hooks for one kind of method, each made from the function it takes the place of."""

    def __init__(self, turns: Turns, *, from_nodes: bool) -> None:
        self._turns = turns
        self._from_nodes = from_nodes

    def sync(self, original: Method) -> Method:
        def find(holder: Any, *args: Any, **kwargs: Any) -> Any:
            with self._search(holder, [*args, *kwargs.values()]) as kept:
                return kept(original(holder, *args, **kwargs))

        return find

    def coroutine(self, original: Method) -> Method:
        async def find(holder: Any, *args: Any, **kwargs: Any) -> Any:
            with self._search(holder, [*args, *kwargs.values()]) as kept:
                return kept(await original(holder, *args, **kwargs))

        return find

    def _search(
        self, holder: Any, given: Sequence[Any]
    ) -> AbstractContextManager[Callable[[Any], Any]]:
        """A search, as what gives of its result what may be returned."""
        nodes = next((one for one in given if isinstance(one, list)), [])
        if self._from_nodes and _adds_nothing(holder, nodes):
            return nullcontext(_all)
        handed = nodes if self._from_nodes else None
        if getattr(holder, "stores_text", True):
            return _Search(self._turns, holder, given, handed)

        # It has ids for the retriever around it, which has the texts.
        def late(found: Any) -> Any:
            if getattr(found, "nodes", found) is None:
                return found
            with _Search(self._turns, holder, given, handed) as kept:
                return kept(found)

        return nullcontext(late)


class _Search:
    """One search that is judged; entered, it is what gives of its result what may be returned.

    Args:
        turns: Know which request it belongs to.
        holder: The retriever, store or postprocessor.
        given: What it is called with.
        nodes: What it was handed, where it gives nodes of these; ``None`` where it searches.
    """

    # A class and no generator, which takes thrice as long.

    def __init__(
        self, turns: Turns, holder: Any, given: Sequence[Any], nodes: Sequence[Any] | None
    ) -> None:
        self._turns, self._holder, self._given, self._nodes = turns, holder, given, nodes
        self._bracket: search | None = None

    def __enter__(self) -> Callable[[Any], Any]:
        runtime = current()
        if runtime is None:
            return _all
        source, (query, top_k) = source_of(self._holder), _asked(self._holder, self._given)
        bracket = search(source, query=query, top_k=top_k, turn=self._turns.of(runtime))
        step = bracket.__enter__()
        if step is None:
            return _all
        self._bracket, self._runtime, self._step, self._source = bracket, runtime, step, source
        try:
            self._hand(self._nodes or ())
        except BaseException as error:
            bracket.__exit__(type(error), error, None)
            raise
        return self._kept

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> None:
        if self._bracket is not None:
            self._bracket.__exit__(kind, error, trace)

    def _kept(self, found: Any) -> Any:
        if self._nodes is not None and isinstance(found, list):
            self._hand(found)  # an engine's answer may have become a node
        return _kept(self._runtime, self._step, self._source, found)

    def _hand(self, nodes: Sequence[Any]) -> None:
        self._step.given(text_of(node_of(item)) for item in nodes)


def _all(found: Any) -> Any:
    return found


def _adds_nothing(holder: Any, nodes: Sequence[Any]) -> bool:
    """Whether a retriever has no node that points to anything else."""
    if not isinstance(holder, BaseRetriever):
        return False
    kinds = {type(node_of(item)) for item in nodes}  # a few: ``isinstance`` of a model is slow
    return not any(issubclass(kind, IndexNode) for kind in kinds)


def _asked(holder: Any, given: Sequence[Any]) -> tuple[str, int | None]:
    """What was asked for, as text, and how many."""
    top_k = getattr(holder, "similarity_top_k", None)
    for one in given:
        if isinstance(one, QueryBundle):
            return one.query_str, top_k if isinstance(top_k, int) else None
        if isinstance(one, VectorStoreQuery):
            return one.query_str or "", one.similarity_top_k
    return "", None


def _kept(runtime: Runtime, step: Retrieval, source: Source, found: Any) -> Any:
    """What of the result may be returned."""
    of_store = isinstance(found, VectorStoreQueryResult)
    items, scores = (found.nodes, found.similarities) if of_store else (found, None)
    if not isinstance(items, Sequence):
        return found
    judged = passages(items, source, scores)
    kept = returned(runtime, items, judged, step.judge(judged))
    if not of_store:
        return [item for item in kept if item is not None]
    places = [place for place, item in enumerate(kept) if item is not None]
    found.nodes = [kept[place] for place in places]
    for field in ("similarities", "ids"):
        each = getattr(found, field)
        if each is not None and len(each) == len(kept):
            setattr(found, field, [each[place] for place in places])
    return found
