"""Hooks: the methods of a collection that give documents."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.api.models.Collection import Collection

from ragtrace.capture import Patches, Retrieval, search
from ragtrace.model import Source
from ragtrace_chroma._found import batches, put

__all__ = ["hook_collections"]

Method = Callable[..., Any]

READS: Final = ("query", "get", "peek", "search")
_OPTIONAL: Final = frozenset({"search"})
"""Not in every version."""

_TEXT: Final = "documents"
_LABELS: Final = "metadatas"


def hook_collections(patches: Patches) -> None:
    """Judge what leaves a collection before its caller has it."""
    for owner, wrap in ((Collection, _sync), (AsyncCollection, _async)):
        for name in READS:
            patches.method(owner, name, partial(wrap, name), optional=name in _OPTIONAL)


class _Read:
    """One call: what is asked, and what of the answer may be given."""

    def __init__(self, name: str, form: inspect.Signature, args: Any, kwargs: Any) -> None:
        self._name = name
        self._unasked = False
        self.args, self.kwargs = args, kwargs
        try:
            bound = form.bind(*args, **kwargs)
        except TypeError:  # which the collection is to raise
            self._given: dict[str, Any] = {}
            return
        bound.apply_defaults()
        self._given = bound.arguments
        included = self._given.get("include") or ()
        if _TEXT in included and _LABELS not in included:  # a text is judged by what is said of it
            self._unasked = True
            bound.arguments["include"] = [*included, _LABELS]
            self.args, self.kwargs = bound.args, bound.kwargs

    @property
    def asked(self) -> dict[str, Any]:
        """What a search says of itself."""
        texts = self._given.get("query_texts") or []
        texts = [texts] if isinstance(texts, str) else texts
        many = self._given.get("n_results", self._given.get("limit"))
        return {
            "source": self.source,
            "query": "\n".join(str(text) for text in texts),
            "top_k": many if isinstance(many, int) else None,
        }

    @property
    def source(self) -> Source:
        """The collection."""
        return Source(f"chroma/{getattr(self.args[0], 'name', '')}")

    def kept(self, step: Retrieval | None, found: Any) -> Any:
        """What of the answer may be given."""
        if step is not None and isinstance(found, dict):
            several = list(batches(found, nested=self._name in ("query", "search")))
            passages = [batch.passages(self.source) for batch in several]
            texts = iter(step.judge([one for some in passages for _, one in some]))
            for batch, some in zip(several, passages, strict=True):
                found = put(found, batch, batch.kept({at: next(texts) for at, _ in some}))
        if self._unasked:
            found = {**found, _LABELS: None}
            found["included"] = [name for name in found.get("included", ()) if name != _LABELS]
        return found


def _sync(name: str, original: Method) -> Method:
    form = inspect.signature(original)

    def read(*args: Any, **kwargs: Any) -> Any:
        asked = _Read(name, form, args, kwargs)
        with search(**asked.asked) as step:
            return asked.kept(step, original(*asked.args, **asked.kwargs))

    return read


def _async(name: str, original: Method) -> Method:
    form = inspect.signature(original)

    async def read(*args: Any, **kwargs: Any) -> Any:
        asked = _Read(name, form, args, kwargs)
        with search(**asked.asked) as step:
            return asked.kept(step, await original(*asked.args, **asked.kwargs))

    return read
