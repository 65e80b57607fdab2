"""Painting: the prompt of a model call, every character of it under the document it came from."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Literal

from ragtrace.model import Action
from ragtrace.store import FlowRow
from ragtrace.wire import Piece, Rope

__all__ = ["Painted", "Stretch", "paint"]

Kind = Literal["retrieved", "literal", "unreadable"]
"""``retrieved`` came from a document and may be read; ``literal`` from no document that was
observed, and may be read; ``unreadable`` is not kept, or not for this reader."""

_VERDICTS = {"certain": 3, "ambiguous": 2, "explained": 1}
"""Of flows of one level, the surer gives a character its colour."""


@dataclass(frozen=True, slots=True, repr=False)
class Stretch:
    """Characters that stand together and share one origin; its ``repr`` does not show them.

    Attributes:
        text: ``None`` where it is not kept, or the reader is not cleared for it.
        length: In characters, known also where the text is not.
        flow: The strictest flow that was found there; ``None`` where none was.
    """

    text: str | None
    length: int
    flow: FlowRow | None
    kind: Kind

    def __repr__(self) -> str:
        """Say what it is and how long, not what it says."""
        return f"Stretch({self.kind}, {self.length} characters)"

    def as_json(self) -> dict[str, Any]:
        """Give the stretch as one tree; the flow by its ordinal."""
        ordinal = None if self.flow is None else self.flow.ordinal
        return {"kind": self.kind, "length": self.length, "flow": ordinal, "text": self.text}


@dataclass(frozen=True, slots=True)
class Painted:
    """One message; its stretches cover every character of it once.

    Attributes:
        role: Empty where the prompt is not kept, so that only the flows tell of the message.
    """

    role: str
    stretches: tuple[Stretch, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the message as one tree."""
        return {"role": self.role, "stretches": [one.as_json() for one in self.stretches]}


def paint(
    flows: Sequence[FlowRow],
    rope: Rope | None,
    texts: Mapping[str, str],
    *,
    rank: Callable[[str], int],
    readable: Callable[[str], bool],
) -> tuple[Painted, ...]:
    """Lay the flows of one model call over its prompt; where several overlap, the strictest wins.

    Args:
        flows: Of the model call's span.
        rope: The prompt; ``None`` where it is not kept or not for this reader. As far as the
            flows reach, the messages are painted then without a character of text.
        texts: What the rope refers to, as far as this reader may have it.
        rank: Of a level, rising with strictness.
        readable: Whether this reader may read text of a level; what it may not is left out
            also where the text is in the rope.
    """
    found = _found(flows, rope)
    strands = _strands(rope, texts) if rope is not None else _outline(found)
    return tuple(
        Painted(role, tuple(_message(pieces, found.get(place, []), rank, readable)))
        for place, (role, pieces) in enumerate(strands)
    )


_Found = tuple[int, int, FlowRow]
"""Where in its message a flow was found: start, end."""


def _found(flows: Sequence[FlowRow], rope: Rope | None) -> dict[int, list[_Found]]:
    """By message. A redacted prompt was judged before it was redacted: there the places of its
    flows are of a text that the model was never given, and the rope's references count.
    """
    found: dict[int, list[_Found]] = {}
    redacted = any(f.action == Action.REDACT and f.mode != "shadow" and f.spans for f in flows)
    if not redacted or rope is None:
        for flow in flows:
            for message, start, end, *_ in flow.spans:
                found.setdefault(message, []).append((start, end, flow))
        return found
    for place, (_, pieces) in enumerate(rope.strands):
        start = 0
        for piece in pieces:
            end = start + _length(piece)
            here = [(start, end, f) for f in flows if f.digest == piece.digest]
            found.setdefault(place, []).extend(here)
            start = end
    return found


_Piece = tuple[int, str | None]
"""Length, and the text where the reader has it."""


def _strands(rope: Rope, texts: Mapping[str, str]) -> Iterator[tuple[str, list[_Piece]]]:
    for role, pieces in rope.strands:
        yield role, [(_length(piece), _text(piece, texts)) for piece in pieces]


def _outline(found: Mapping[int, Sequence[_Found]]) -> Iterator[tuple[str, list[_Piece]]]:
    for place in range(max(found, default=-1) + 1):
        reached = max((end for _, end, _ in found.get(place, [])), default=0)
        yield "", [(reached, None)]


def _length(piece: Piece) -> int:
    return len(piece.text) if piece.digest is None else max(0, piece.end - piece.start)


def _text(piece: Piece, texts: Mapping[str, str]) -> str | None:
    if piece.digest is None:
        return piece.text
    text = texts.get(piece.digest, "")[piece.start : piece.end]
    return text if len(text) == _length(piece) else None


def _message(
    pieces: Sequence[_Piece],
    found: Sequence[_Found],
    rank: Callable[[str], int],
    readable: Callable[[str], bool],
) -> Iterator[Stretch]:
    cells = _cells(pieces, found, rank)
    for _, group in groupby(cells, key=lambda cell: (id(cell[1]), cell[2] is None)):
        run = list(group)
        flow, length = run[0][1], sum(cell[0] for cell in run)
        text = None if run[0][2] is None else "".join(cell[2] or "" for cell in run)
        if flow is not None and not readable(flow.level):
            text = None
        kind: Kind = "unreadable" if text is None else "retrieved" if flow else "literal"
        yield Stretch(text, length, flow, kind)


def _cells(
    pieces: Sequence[_Piece], found: Sequence[_Found], rank: Callable[[str], int]
) -> Iterator[tuple[int, FlowRow | None, str | None]]:
    """The message cut wherever a piece or a flow begins or ends: length, flow and text."""
    edges = [0]
    for length, _ in pieces:
        edges.append(edges[-1] + length)
    size = edges[-1]
    inside = [(max(0, start), min(size, end), flow) for start, end, flow in found]
    inside = sorted((one for one in inside if one[0] < one[1]), key=lambda one: one[0])
    cuts = sorted({*edges, *(edge for start, end, _ in inside for edge in (start, end))})
    open_: list[tuple[int, int, int, int, FlowRow]] = []  # strictest first
    piece = begun = 0
    for start, end in pairwise(cuts):
        while begun < len(inside) and inside[begun][0] <= start:
            _, until, flow = inside[begun]
            sure = _VERDICTS.get(flow.verdict, 0)
            heapq.heappush(open_, (-rank(flow.level), -sure, begun, until, flow))
            begun += 1
        while open_ and open_[0][3] <= start:
            heapq.heappop(open_)
        while edges[piece + 1] <= start:
            piece += 1
        text = pieces[piece][1]
        offset = edges[piece]
        shown = None if text is None else text[start - offset : end - offset]
        yield end - start, open_[0][4] if open_ else None, shown
