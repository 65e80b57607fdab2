"""Undecided: a chunk in a step that another tracer recorded; nobody judged it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.model import Attribution, Chunk, Document, Label, LabelledRange, Source
from ragtrace.wire import _names as names
from ragtrace.wire._encoder import as_json, encode_label, found

__all__ = ["Undecided", "decode_chunks", "encode_undecided"]

OUTSIDE: Final = "outside"
"""Key of the label of a chunk outside its ranges, where that is another than the whole chunk's."""


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
        if name in (names.FLOWS, names.DUPLICATE) or name.startswith(f"{names.FLOWS}.")
    ]
    return [chunk for part in parts for said in _objects(part) if (chunk := _chunk(said))]


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


def _chunk(said: dict[str, Any]) -> Chunk | None:
    try:
        return Chunk(
            id=_text(said["id"]),
            document=Document(_text(said["document"]), said.get("uri") and _text(said["uri"])),
            source=Source(_text(said["source"])),
            text="",
            digest=_text(said["digest"]),
            label=_label(said.get(OUTSIDE, said)),
            basis=_text(said["basis"]),
            ranges=tuple(_range(part) for part in said.get("ranges", ())),
            rank=_whole(said.get("rank", 0)),
            score=_number(said.get("score")),
        )
    except (KeyError, TypeError, AttributeError):
        return None


def _label(said: dict[str, Any]) -> Label:
    readers = said.get("readers")
    return Label(
        _text(said["level"]),
        frozenset(map(_text, said.get("compartments", ()))),
        None if readers is None else frozenset(map(_text, readers)),
        "untrusted" if said.get("integrity", "trusted") != "trusted" else "trusted",
    )


def _range(said: dict[str, Any]) -> LabelledRange:
    return LabelledRange(_whole(said["start"]), _whole(said["end"]), _label(said))


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError("expected a text")
    return said


def _whole(said: object) -> int:
    if type(said) is not int or said < 0:
        raise TypeError("expected a whole number")
    return said


def _number(said: object) -> float | None:
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None
