"""Views: a text as it stands, and as it reads once its escapes and markup are undone."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import numpy as np

from ragtrace.attribution._fold import Codes, Places
from ragtrace.attribution._skeleton import Skeleton, skeleton

__all__ = ["View", "views"]

ROUNDS: Final = 3
"""Times a text is decoded over: a tool's JSON in a message's JSON, with entities inside, is as
deep as applications go; each round that changes nothing ends it."""

ENCODED_WORD: Final = 64
"""Characters in a row without a space from which base64 is looked for: it holds 48 bytes, about
the shortest run that is acted on, and no ordinary word is as long."""

TAG: Final = 512
"""Longest HTML tag that is taken for one, so that a lone ``<`` costs no more than this."""

_TRIGGERS: Final = "\\&%<"
_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair that is one character
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\[\\nrtbf\"'/]"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
    r"|%(?:[0-7][0-9a-fA-F]|[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){1,3})"
    rf"|</?[a-zA-Z][^<>]{{0,{TAG}}}>|<!--"
)
_BASE64: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{ENCODED_WORD},}}(?:\r?\n[A-Za-z0-9+/_-]+)*")
_URL_SAFE: Final = str.maketrans("-_", "+/", "\r\n")


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text.

    Attributes:
        bones: The skeleton of what was read.
        origin: For each character of what was read, where in the original it begins and
            ends, as an array of shape (characters, 2); ``None`` where it is the original.
    """

    bones: Skeleton
    origin: Places | None = None

    @property
    def symbols(self) -> str:
        """The symbols of what was read."""
        return self.bones.symbols

    def codes(self) -> Codes:
        """The same as code points."""
        return self.bones.codes()

    def ranges(self) -> tuple[Places, Places]:
        """For each symbol, where the original character begins that it came from, and ends."""
        every = np.arange(len(self.symbols))
        return self.characters(every, every + 1)

    def characters(self, start: Places, end: Places) -> tuple[Places, Places]:
        """For stretches of symbols, where the original characters begin and end."""
        offsets = self.bones.offsets()
        first, last = offsets[start], offsets[end - 1]
        if self.origin is None:
            return first, last + 1
        return self.origin[first, 0], self.origin[last, 1]


def views(text: str) -> list[View]:
    """``text`` itself, and what it reads as after each round of decoding that changes it.

    Undone are JSON and other backslash escapes, HTML entities and tags, percent encoding and
    base64. A text without any of these costs one search.
    """
    found = [View(skeleton(text))]
    read, origin = text, None
    for _ in range(ROUNDS):
        pieces = _escaped(read) or _encoded(read)
        if not pieces:
            break
        read, origin = _splice(read, origin, pieces)
        found.append(View(skeleton(read), origin))
    return found


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters ``start`` to ``end`` read as ``text``.

    Attributes:
        places: Where each character of ``text`` begins and ends, of shape (characters, 2);
            ``None`` where each of them is the whole range.
    """

    start: int
    end: int
    text: str
    places: Places | None = None


def _escaped(text: str) -> list[_Piece]:
    if not any(trigger in text for trigger in _TRIGGERS):
        return []
    found = _ESCAPES.finditer(text)
    return [_Piece(match.start(), match.end(), _unescape(match[0])) for match in found]


def _encoded(text: str) -> list[_Piece]:
    pieces = [
        _from_base64(match)
        for start, end in _long_words(text)
        for match in _BASE64.finditer(text, start, end)
    ]
    return [piece for piece in pieces if piece is not None]


def _unescape(found: str) -> str:
    """What one escape stands for; markup and layout stand for nothing."""
    if found[0] == "\\":
        if found[1] == "u":
            codes = [int(part, 16) for part in found.split("\\u")[1:]]
            units = b"".join(code.to_bytes(2, "little") for code in codes)
            return units.decode("utf-16-le", "surrogatepass")
        return found[1] if found[1] in "\\\"'/" else " "
    if found[0] == "&":
        return html.unescape(found)
    if found[0] == "%":
        return unquote(found, errors="replace")
    return " "


def _long_words(text: str) -> Iterator[tuple[int, int]]:
    """Where ENCODED_WORD characters or more follow each other without a space."""
    data = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    half = ENCODED_WORD // 2  # such a word fills at least one half, counted from the beginning
    halves = data[: len(data) // half * half].reshape(-1, half)
    reached = 0
    full = ~(halves == ord(" ")).any(axis=1)
    for place in (full.nonzero()[0] * half).tolist():
        if place >= reached:
            start, reached = text.rfind(" ", 0, place) + 1, text.find(" ", place)
            reached = len(text) if reached < 0 else reached
            if reached - start >= ENCODED_WORD:
                yield start, reached


def _from_base64(match: re.Match[str]) -> _Piece | None:
    """The text that was encoded, or nothing if it was not text."""
    encoded = match[0].translate(_URL_SAFE)
    usable = len(encoded) - (len(encoded) % 4 == 1)
    try:
        data = base64.b64decode(encoded[:usable] + "=" * (-usable % 4), validate=True)
        text = data.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    sizes = [len(char.encode()) for char in text]
    ends = np.cumsum(sizes, dtype=np.int64)
    kept = np.array([at for at, char in enumerate(match[0]) if char not in "\r\n"], np.int64)
    first = kept[(ends - sizes) * 4 // 3]
    last = kept[np.minimum((ends * 4 + 2) // 3, len(kept)) - 1]
    return _Piece(match.start(), match.end(), text, match.start() + np.stack([first, last + 1], 1))


def _splice(text: str, origin: Places | None, pieces: list[_Piece]) -> tuple[str, Places]:
    """``text`` with the pieces read, and where each character stands in the original."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.end)), len(text)]
    out = [text[edges[0] : edges[1]]]
    for piece, (start, end) in zip(pieces, zip(edges[2::2], edges[3::2], strict=True), strict=True):
        out += [piece.text, text[start:end]]
    here = _places(np.array(edges, np.int64), np.array([len(part) for part in out], np.int64))
    at = 0
    for piece, gap in zip(pieces, out[::2], strict=False):
        at += len(gap)
        if piece.places is not None:
            here[at : at + len(piece.text)] = piece.places
        at += len(piece.text)
    if origin is not None:
        here = np.stack([origin[here[:, 0], 0], origin[here[:, 1] - 1, 1]], 1)
    return "".join(out), here


def _places(edges: Places, sizes: Places) -> Places:
    """Begin and end of every character of stretches that are, in turn, copied and decoded.

    Args:
        edges: Where in the original the stretches meet, one more than there are.
        sizes: Characters that each was read as.
    """
    copied = np.arange(len(sizes)) % 2 == 0
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = np.repeat(edges[:-1], sizes) + within * np.repeat(copied, sizes)
    ends = np.where(np.repeat(copied, sizes), starts + 1, np.repeat(edges[1:], sizes))
    return np.stack([starts, ends], 1)
