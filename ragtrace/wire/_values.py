"""Attribute values as text, the way the Collector's ClickHouse exporter writes them."""

from __future__ import annotations

import base64
import json
import math
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from ragtrace.errors import WireError

__all__ = ["MAX_DEPTH", "as_text"]

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: ``json.dumps`` makes an encoder for each value."""

MAX_DEPTH: Final = 48
"""Nesting of a value: protobuf itself stops near here, and JSON readers down the line earlier."""


def as_text(value: AnyValue) -> str:
    """Write ``value`` as text: JSON for a list or a map, base64 for bytes, empty for none.

    Raises:
        WireError: It is nested deeper than ``MAX_DEPTH``.
    """
    text = value.string_value
    if text:  # by far the commonest
        return text
    plain = _plain(value, 0)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    if type(plain) is int:  # five of a model call: an encoder takes ten times as long
        return str(plain)
    return _ENCODE(plain)


def _plain(value: AnyValue, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise WireError(f"attribute: expected at most {MAX_DEPTH} levels of nesting")
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    if kind == "double_value" and not math.isfinite(value.double_value):
        return str(value.double_value)  # JSON has no word for it
    # A kind newer than this program, such as an index into a table of strings, has no text.
    if kind in ("string_value", "bool_value", "int_value", "double_value"):
        return getattr(value, kind)
    return None
