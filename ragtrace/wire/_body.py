"""A request body in protobuf, from either of OTLP/HTTP's two encodings."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError, Message

from ragtrace.errors import WireError

__all__ = ["JSON", "PROTOBUF", "as_protobuf", "media_type"]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
"""Fields that are hex in OTLP's JSON, where protobuf's own JSON has base64."""
MAX_JSON_BYTES: Final = 16 * 1024 * 1024
"""Parsed, three bytes of JSON may take sixty of memory; a large export is sent as protobuf."""
MAX_JSON_NODES: Final = 1_000_000
"""One in sixteen bytes; empty ones would keep the interpreter busy for half a minute."""
MAX_JSON_DEPTH: Final = 100
"""What protobuf allows its own encoding."""

_WRONG_JSON: Final = (
    json_format.Error,
    RecursionError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    DecodeError,
    EncodeError,
    SystemError,  # of protobuf's reader, on half a character in the place of a name
)
"""What json, the UTF-8 codec and protobuf's reader raise on a value of the wrong kind."""


def media_type(content_type: str) -> str:
    """Give the media type alone, lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def as_protobuf(body: bytes, content_type: str, message: Message) -> bytes:
    """Give ``body`` in protobuf's own encoding; what was JSON goes by way of ``message``.

    Fields newer than this program are ignored.

    Raises:
        WireError: It is neither, or its JSON is not such a message. Protobuf is not looked at.
    """
    kind = media_type(content_type)
    if kind == PROTOBUF:
        return body
    if kind == JSON:
        return _parse_json(body, message)
    raise WireError(f"content type {kind[:80]!r}: expected {PROTOBUF} or {JSON}")


def _parse_json(body: bytes, message: Message) -> bytes:
    what = f"body: expected a JSON {message.DESCRIPTOR.name}"
    if len(body) > MAX_JSON_BYTES:
        raise WireError(f"{what} of at most {MAX_JSON_BYTES} bytes")
    if body.count(b"{") + body.count(b"[") > MAX_JSON_NODES:
        raise WireError(f"{what} of at most {MAX_JSON_NODES} objects and lists")
    try:
        tree = json.loads(body.decode("utf-8"), parse_constant=_refuse)
        if not isinstance(tree, dict):
            raise WireError(f"{what}, found a {type(tree).__name__}")
        _hex_to_base64(tree, 0)
        json_format.ParseDict(
            tree, message, ignore_unknown_fields=True, max_recursion_depth=MAX_JSON_DEPTH
        )
        # JSON can escape half a character; this refuses it.
        return bytes(message.SerializeToString())
    except _WRONG_JSON as error:
        raise WireError(f"{what}: {type(error).__name__}") from None


def _refuse(constant: str) -> None:
    raise WireError(f"body: expected JSON, which has no {constant}")


def _hex_to_base64(node: object, depth: int) -> None:
    """Rewrite the ids of a parsed OTLP/JSON body, in place, as protobuf's reader wants them."""
    if depth > MAX_JSON_DEPTH:
        raise WireError(f"body: expected at most {MAX_JSON_DEPTH} levels of nesting")
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ID_FIELDS and isinstance(value, str):
                try:
                    node[key] = base64.b64encode(binascii.unhexlify(value)).decode("ascii")
                except ValueError:
                    raise WireError(f"body: {key}: expected hex digits") from None
            elif isinstance(value, dict | list):
                _hex_to_base64(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            _hex_to_base64(value, depth + 1)
