"""Walk: an export request, item by item, without ever holding all of it as objects.

Two bytes of a request may become a hundred of memory, so a request is taken apart by its lengths
alone, and one span or log record is parsed at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from ragtrace.errors import WireError

__all__ = ["MAX_ITEMS", "Batch", "BrokenError", "batches"]

MAX_ITEMS: Final = 20_000
"""Spans or log records of one request: more than twice what a Collector sends at once."""
MAX_BATCHES: Final = 2_000
"""Resources and scopes of one request: a Collector sends one for each instance of a service."""

_OUTER: Final = 1
"""Field of the resources in a request; traces and logs are built alike, field by field."""
_RESOURCE: Final = 1
_SCOPES: Final = 2
_SCOPE: Final = 1
_ITEMS: Final = 2
_BYTES: Final = 2
"""Wire type of a message, a text or bytes."""
_FIXED: Final = {1: 8, 5: 4}
_FEW: Final = 100
"""Fields of a message beside the repeated one: three today, and who knows what tomorrow."""
_TOO_MANY: Final = (
    f"body: expected at most {MAX_ITEMS} spans or log records, "
    f"of {MAX_BATCHES} resources and scopes"
)


class BrokenError(WireError):
    """The bytes are no protobuf, which says something about all of them."""


class Batch(NamedTuple):
    """What one scope of one resource sent, each message still encoded."""

    resource: bytes
    scope: bytes
    items: list[bytes]


def batches(body: bytes) -> Iterator[Batch]:
    """Take apart a request for the export of traces or logs.

    Raises:
        WireError: It is not one, or holds more than MAX_ITEMS.
    """
    parts = seen = 0
    for at in _messages(body, (0, len(body)), MAX_BATCHES)[_OUTER]:
        of_resource = _messages(body, at, MAX_BATCHES)
        resource = _joined(body, of_resource[_RESOURCE])
        parts += 1 + len(of_resource[_SCOPES])
        if parts > MAX_BATCHES:
            raise WireError(_TOO_MANY)
        for inner in of_resource[_SCOPES]:
            of_scope = _messages(body, inner, MAX_ITEMS)
            items = [body[start:end] for start, end in of_scope[_ITEMS]]
            seen += len(items)
            if seen > MAX_ITEMS:
                raise WireError(_TOO_MANY)
            yield Batch(resource, _joined(body, of_scope[_SCOPE]), items)


def _joined(body: bytes, places: list[tuple[int, int]]) -> bytes:
    """A message that came in pieces; protobuf takes them as one."""
    return b"".join(body[start:end] for start, end in places)


def _messages(
    body: bytes, at: tuple[int, int], most: int
) -> defaultdict[int, list[tuple[int, int]]]:
    """Where the messages between two places begin and end, by field.

    Raises:
        BrokenError: It is no protobuf there.
        WireError: There are more than ``most``, give or take a few.
    """
    place, end = at
    found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    fields = 0
    while place < end:
        fields += 1
        if fields > most + _FEW:
            raise WireError(_TOO_MANY)
        tag, place = _varint(body, place, end)
        kind, start = tag & 7, place
        if kind == _BYTES:
            length, start = _varint(body, place, end)
            place = start + length
            found[tag >> 3].append((start, place))
        elif kind == 0:
            _, place = _varint(body, place, end)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise _broken()
        if place > end or tag < 8 or (kind != _BYTES and tag >> 3 in (_OUTER, _ITEMS)):
            raise _broken()
    return found


def _varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while place < end and shift < 64:
        byte = body[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
        shift += 7
    raise _broken()


def _broken() -> BrokenError:
    return BrokenError("body: expected a protobuf export request")
