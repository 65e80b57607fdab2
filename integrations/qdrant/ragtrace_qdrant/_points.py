"""Points: what a collection gave, wherever it stands in the answer; and back without some of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ragtrace.capture import Record

__all__ = ["ids", "rebuilt", "records"]

Points = Sequence[Any]
Keep = Callable[[Any], Any]
"""A point as it may be given, or ``None``."""


def records(found: Any, payloads: Mapping[Any, Mapping[str, Any]]) -> list[tuple[Any, Record]]:
    """Every point of an answer that has a payload, and the record that it is.

    It is called by the application's own id where it has one: a point's is a number.

    Args:
        found: A response, several, groups of points, or a page of them.
        payloads: Whole payloads by id, where the answer has parts of them only.
    """
    return [
        (
            point,
            Record(
                fields=dict(point.payload),
                id=str(point.payload.get("chunk_id") or point.payload.get("id") or point.id),
                score=getattr(point, "score", None),
                about=payloads.get(point.id, {}),
            ),
        )
        for point in _points(found)
        if point.payload
    ]


def ids(found: Any) -> list[Any]:
    """Ids of the points of an answer that have a payload."""
    return list(dict.fromkeys(point.id for point in _points(found) if point.payload))


def rebuilt(found: Any, keep: Keep) -> Any:
    """The answer with each point as ``keep`` gives it, without those it gives ``None`` for."""
    if isinstance(found, tuple):  # a page, and where the next one begins
        return (rebuilt(found[0], keep), *found[1:])
    if isinstance(found, list):
        return [made for item in found if (made := rebuilt(item, keep)) is not None]
    if hasattr(found, "points"):
        return found.model_copy(update={"points": rebuilt(found.points, keep)})
    if hasattr(found, "groups"):
        return found.model_copy(update={"groups": rebuilt(found.groups, keep)})
    if hasattr(found, "hits"):
        hits = rebuilt(found.hits, keep)
        lookup = None if found.lookup is None else keep(found.lookup)
        return found.model_copy(update={"hits": hits, "lookup": lookup}) if hits else None
    return keep(found)


def _points(found: Any) -> Iterator[Any]:
    if isinstance(found, tuple):
        yield from _points(found[0])
    elif isinstance(found, list):
        for item in found:
            yield from _points(item)
    elif hasattr(found, "points") or hasattr(found, "groups"):
        yield from _points(found.points if hasattr(found, "points") else found.groups)
    elif hasattr(found, "hits"):
        yield from _points(found.hits)
        if found.lookup is not None:
            yield found.lookup
    else:
        yield found
