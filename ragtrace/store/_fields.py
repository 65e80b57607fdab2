"""Fields: the parameters of a statement, in pieces that a server takes over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["MOST_BYTES", "in_fields"]

MOST_BYTES: Final = 60_000
"""Of a list in one field. A server refuses a field of more than 131,072 (its setting
``http_max_field_value_size``), and a character that has to be escaped takes two."""


def in_fields(query: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give a statement that asks the same, and its parameters; a long list is several of them.

    A value of the list that is too long for a field stays as it is, in one of its own.

    Args:
        query: Names its parameters as ``{name:Type}``.
        parameters: By name.
    """
    fields: dict[str, Any] = {}
    for name, value in parameters.items():
        pieces = list(_pieces(value)) if isinstance(value, list | tuple) else [value]
        names = [name, *(f"{name}__{number}" for number in range(1, len(pieces)))]
        fields.update(zip(names, pieces, strict=True))
        if len(pieces) > 1:
            query = re.sub(
                rf"\{{{re.escape(name)}:([^{{}}]+)\}}",
                lambda found, names=names: _joined(names, found[1]),  # type: ignore[misc]
                query,
            )
    return query, fields


def _joined(names: Sequence[str], type: str) -> str:
    return f"arrayConcat({', '.join(f'{{{name}:{type}}}' for name in names)})"


def _pieces(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """At least one, of as many values as fit."""
    start = size = 0
    for place, value in enumerate(values):
        # Half a character counts as well: that it cannot be asked for is the client's to say.
        added = len(str(value).encode("utf-8", "surrogatepass")) + 3  # quotes and a comma
        if place > start and size + added > MOST_BYTES:
            yield values[start:place]
            start, size = place, 0
        size += added
    yield values[start:]
