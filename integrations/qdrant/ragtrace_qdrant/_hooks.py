"""Hooks: the methods of a client that give payloads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from qdrant_client import AsyncQdrantClient, QdrantClient

from ragtrace.capture import Patches, Retrieval, judge_records, search
from ragtrace.model import Source
from ragtrace_qdrant._points import ids, rebuilt, records

__all__ = ["hook_clients"]

Method = Callable[..., Any]
Payloads = Mapping[Any, Mapping[str, Any]]

READS: Final = ("query_points", "query_batch_points", "query_points_groups", "scroll", "retrieve")

_AT_ONCE: Final = 256
"""Points whose whole payloads are fetched in one call, where only parts of them were asked for."""


def hook_clients(patches: Patches) -> None:
    """Judge what leaves a collection before its caller has it."""
    for owner, wrap in ((QdrantClient, _sync), (AsyncQdrantClient, _async)):
        fetch: Any = owner.retrieve  # as it is: what it gives here, nobody else has
        for name in READS:
            patches.method(owner, name, partial(wrap, fetch))


class _Read:
    """One call: what is asked, and what of the answer may be given."""

    def __init__(self, form: inspect.Signature, args: Any, kwargs: Any) -> None:
        try:
            bound = form.bind(*args, **kwargs)
        except TypeError:  # which the client is to raise
            self._given: dict[str, Any] = {}
            return
        bound.apply_defaults()
        self._given = bound.arguments

    @property
    def asked(self) -> dict[str, Any]:
        """What a search says of itself."""
        query = self._given.get("query")
        text = query if isinstance(query, str) else getattr(query, "text", None)
        many = self._given.get("limit")
        return {
            "source": self._source,
            "query": text if isinstance(text, str) else "",
            "top_k": many if isinstance(many, int) else None,
        }

    @property
    def partly(self) -> bool:
        """Whether parts of payloads are asked for: what a text is labelled by may not be there."""
        requests = self._given.get("requests") or ()
        wanted = [self._given.get("with_payload")]
        wanted += [getattr(request, "with_payload", None) for request in requests]
        return any(not (one is None or isinstance(one, bool)) for one in wanted)

    @property
    def fetching(self) -> dict[str, Any]:
        """Arguments of a call that fetches whole payloads."""
        return {"collection_name": self._given["collection_name"], "with_payload": True}

    def kept(self, step: Retrieval | None, found: Any, payloads: Payloads) -> Any:
        """What of the answer may be given."""
        if step is None:
            return found
        points = records(found, payloads)
        judged = judge_records(step, self._source, [record for _, record in points])
        known = {
            id(point): (record.fields, fields)
            for (point, record), fields in zip(points, judged, strict=True)
        }

        def keep(point: Any) -> Any:
            before, after = known.get(id(point), ({}, {}))
            if after is None or after == before:
                return None if after is None else point
            return point.model_copy(update={"payload": after})

        return rebuilt(found, keep)

    @property
    def _source(self) -> Source:
        return Source(f"qdrant/{self._given.get('collection_name', '')}")


def _sync(fetch: Method, original: Method) -> Method:
    form = inspect.signature(original)

    def read(*args: Any, **kwargs: Any) -> Any:
        asked = _Read(form, args, kwargs)
        with search(**asked.asked) as step:
            found = original(*args, **kwargs)
            payloads: dict[Any, Any] = {}
            for some in _some(asked, found):
                for point in fetch(args[0], ids=some, **asked.fetching):
                    payloads[point.id] = point.payload or {}
            return asked.kept(step, found, payloads)

    return read


def _async(fetch: Method, original: Method) -> Method:
    form = inspect.signature(original)

    async def read(*args: Any, **kwargs: Any) -> Any:
        asked = _Read(form, args, kwargs)
        with search(**asked.asked) as step:
            found = await original(*args, **kwargs)
            payloads: dict[Any, Any] = {}
            for some in _some(asked, found):
                for point in await fetch(args[0], ids=some, **asked.fetching):
                    payloads[point.id] = point.payload or {}
            return asked.kept(step, found, payloads)

    return read


def _some(asked: _Read, found: Any) -> list[list[Any]]:
    """The points whose whole payloads are wanted, a call at a time."""
    wanted = ids(found) if asked.partly else []
    return [wanted[at : at + _AT_ONCE] for at in range(0, len(wanted), _AT_ONCE)]
