"""Undecided: a chunk in a step that another tracer recorded; nobody judged it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from ragtrace.model import Attribution, Chunk, Document, Label, LabelledRange, Source, digest
from ragtrace.wire import _names as names
from ragtrace.wire._as_json import as_json
from ragtrace.wire._found import OUTSIDE, encode_label, found
from ragtrace.wire._recorded import number

__all__ = [
    "Undecided",
    "decode_chunks",
    "encode_undecided",
    "holds_chunks",
    "read_chunk",
    "read_label",
    "with_short_names",
]

_MORE_FLOWS: Final = f"{names.FLOWS}."
NAMES: Final = 1_024
"""Attribute names that are known to hold chunks or not; every span has some thirty."""

MAX_NAME: Final = 1_024
"""Characters of a name in a flow, addresses among them; a longer one is a text."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A flow without a decision: ``ragtrace.flows`` holds it without an action.

    Attributes:
        label: Of the whole chunk at retrieval, of the parts that were found in a prompt.
        attribution: ``None`` at retrieval.
        roles: Of the messages it was found in.
    """

    chunk: Chunk
    label: Label
    attribution: Attribution | None = None
    roles: tuple[str, ...] = ()

    @property
    def place(self) -> int:
        """A number that this text of this document has in every step, 32 bits.

        What is derived again later, from more, then replaces what was derived before.
        """
        name = as_json([self.chunk.document.id, self.chunk.digest])
        return int(hashlib.sha256(name.encode("ascii")).hexdigest()[:8], 16)


def encode_undecided(flows: Iterable[Undecided]) -> str:
    """``flows`` as ``ragtrace.flows`` has them, in the order of their places."""
    return as_json([_said(flow) for flow in sorted(flows, key=lambda flow: flow.place)])


def decode_chunks(attributes: Mapping[str, str]) -> list[Chunk]:
    """The chunks that a span tells of in ``ragtrace.flows`` and on, or in ``ragtrace.duplicate``.

    Their texts are not there. What is no flow of ours is left out: a span is from outside.
    """
    parts = [
        attributes[name]
        for name in sorted(attributes, key=lambda name: (len(name), name))
        if holds_chunks(name)
    ]
    return [chunk for part in parts for said in _objects(part) if (chunk := _chunk(said))]


@lru_cache(NAMES)
def holds_chunks(name: str) -> bool:
    """Whether the attribute of this name is one that ``decode_chunks`` reads."""
    return name in (names.FLOWS, names.DUPLICATE) or name.startswith(_MORE_FLOWS)


def with_short_names(chunk: Chunk) -> Chunk:
    """``chunk`` with a digest in the place of every name that is too long for one.

    Names come from metadata, where an application may have put a text. A level or a reader that
    is replaced is one that nobody knows, hence the strictest.
    """
    uri = chunk.document.uri
    return replace(
        chunk,
        id=_short(chunk.id),
        document=replace(chunk.document, id=_short(chunk.document.id), uri=uri and _short(uri)),
        label=_short_label(chunk.label),
        ranges=tuple(replace(part, label=_short_label(part.label)) for part in chunk.ranges),
    )


def _short_label(label: Label) -> Label:
    return replace(
        label,
        level=_short(label.level),
        compartments=frozenset(map(_short, label.compartments)),
        readers=None if label.readers is None else frozenset(map(_short, label.readers)),
    )


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME and "\n" not in name else f"sha256:{digest(name)}"


def _said(flow: Undecided) -> dict[str, Any]:
    said = found(flow.place, flow.chunk, flow.label, flow.attribution, flow.roles)
    if flow.chunk.label != flow.label and flow.attribution is None:
        said[OUTSIDE] = encode_label(flow.chunk.label)
    return said


def _objects(part: str) -> list[dict[str, Any]]:
    try:
        listed = json.loads(part)
    except (ValueError, RecursionError):
        return []
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def read_chunk(said: dict[str, Any]) -> Chunk:
    """The chunk that an object of ``ragtrace.flows`` tells of, without its text.

    Raises:
        KeyError, TypeError, AttributeError: It tells of none.
    """
    return Chunk(
        id=_text(said["id"]),
        document=_document(said),
        source=Source(_text(said["source"])),
        text="",
        digest=_text(said["digest"]),
        label=read_label(said.get(OUTSIDE, said)),
        basis=_text(said["basis"]),
        ranges=tuple(_range(part) for part in said.get("ranges", ())),
        rank=_whole(said.get("rank", said.get("ord", 0))),
        score=number(said.get("score")),
    )


def _document(said: dict[str, Any]) -> Document:
    name, uri = _text(said["document"]), said.get("uri")
    return Document(name, None if uri is None else _text(uri) or name)


def _chunk(said: dict[str, Any]) -> Chunk | None:
    try:
        return read_chunk(said)
    except (KeyError, TypeError, AttributeError):
        return None


def read_label(said: dict[str, Any]) -> Label:
    """The label that stands in an object, as ``encode_label`` writes it."""
    readers = said.get("readers")
    return Label(
        _text(said["level"]),
        frozenset(map(_text, said.get("compartments", ()))),
        None if readers is None else frozenset(map(_text, readers)),
        "untrusted" if said.get("integrity", "trusted") != "trusted" else "trusted",
    )


def _range(said: dict[str, Any]) -> LabelledRange:
    return LabelledRange(_whole(said["start"]), _whole(said["end"]), read_label(said))


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError("expected a text")
    return said


def _whole(said: object) -> int:
    if type(said) is not int or said < 0:
        raise TypeError("expected a whole number")
    return said
