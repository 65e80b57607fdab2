"""Entry: one thing that a process tells the others of its ledger, as bytes and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.capture._derived import Derived
from ragtrace.capture._plain import (
    HEX,
    chunk_as_plain,
    plain_chunk,
    plain_recipient,
    recipient_as_plain,
)
from ragtrace.capture._recipient import Recipient
from ragtrace.errors import RagtraceError
from ragtrace.model import Chunk

__all__ = ["LARGEST_ENTRY", "Entry", "EntryError", "Told", "decode_entry", "encode_entry"]

LARGEST_ENTRY: Final = 1 << 20
"""Bytes of an entry. A text of more would not fit into any model's prompt; and 128 of them, which
are read at once, still fit into memory."""


class EntryError(RagtraceError):
    """Something is no entry, or too large for one."""


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody has been told a completion.

    Attributes:
        digest: Of the completion.
    """

    digest: str
    recipient: Recipient


Entry = Chunk | Derived | Told


def encode_entry(entry: Entry) -> bytes:
    """The bytes that ``decode_entry`` reads; the same entry always gives the same.

    Of a chunk, its place in the result of one search is left out: that is no other's search.

    Raises:
        EntryError: It is too large, or holds what JSON has no word for.
    """
    try:
        text = json.dumps(_value(entry), ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        raise EntryError("of a type that JSON does not have") from None
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > LARGEST_ENTRY:
        raise EntryError("too large")
    return data


def decode_entry(data: bytes) -> Entry:
    """The entry in ``data``.

    Raises:
        EntryError: There is none.
    """
    if len(data) > LARGEST_ENTRY:
        raise EntryError("too large")
    try:
        return _entry(json.loads(data.decode("utf-8", "surrogatepass")))
    except (ValueError, RecursionError):
        raise EntryError("not an entry") from None


def _value(entry: Entry) -> list[Any]:
    if isinstance(entry, Told):
        return ["told", entry.digest, recipient_as_plain(entry.recipient)]
    if isinstance(entry, Chunk):
        return ["chunk", chunk_as_plain(entry)]
    passed, told = (
        sorted(map(recipient_as_plain, recipients), key=json.dumps)
        for recipients in (entry.passed, entry.told)
    )
    return ["derived", chunk_as_plain(entry.chunk), passed, told]


def _entry(value: object) -> Entry:
    match value:
        case ["chunk", chunk]:
            return plain_chunk(chunk)
        case ["derived", chunk, [*passed], [*told]]:
            recipients = [frozenset(map(plain_recipient, those)) for those in (passed, told)]
            return Derived(plain_chunk(chunk), *recipients)
        case ["told", str(name), recipient] if len(name) == 64 and HEX.issuperset(name):
            return Told(name, plain_recipient(recipient))
    raise ValueError("an entry")
