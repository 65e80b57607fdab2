"""Views: a text as it stands, and as it reads once its escapes and markup are undone."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np

from ragtrace.attribution._escapes import ESCAPE, OPEN_ESCAPE, TRIGGERS, unescape
from ragtrace.attribution._fold import Codes, Places
from ragtrace.attribution._kgrams import K
from ragtrace.attribution._skeleton import Skeleton, skeleton

__all__ = ["View", "plain", "views"]

ROUNDS: Final = 3
"""Times a text is decoded over: a tool's JSON in a message's JSON, with entities inside, is as
deep as applications go; each round that changes nothing ends it."""

ENCODED_WORD: Final = 64
"""Characters in a row without a space from which base64 is looked for: it holds 48 bytes, about
the shortest run that is acted on, and no ordinary word is as long."""

MARGIN: Final = 256
"""Characters around an escape that are read over with it: a run through it is found there, with
several times the evidence that is needed, and what lies farther off is found in the text itself."""

READABLE: Final = 0.85
"""Share of what base64 gave that must be letters, digits, blanks and ASCII: beside the encoded text
stands what was glued to it, and what is no text at all gives a third."""

REMEMBERED: Final = 512
"""Texts whose views are kept: the passages that are found again and again, in 8 MB at most."""

LONGEST_REMEMBERED: Final = 4_096
"""Characters of one: no prompt, which nobody makes twice."""

UNBROKEN: Final = ENCODED_WORD - 2 * (K - 1)
"""Characters in a row that are base64 if K - 1 on either side, of other texts, are as well."""

SHORT: Final = 2_048
"""Characters of a text in which it is quicker to look for these themselves than for the longest
word: a passage, an answer."""

_ESCAPE: Final = re.compile(ESCAPE)
_ESCAPED: Final = re.compile(rf"{ESCAPE}|(?:{OPEN_ESCAPE})\Z")
_UNBROKEN: Final = re.compile(rf"[A-Za-z0-9+/_\r\n-]{{{UNBROKEN},}}")
_AS_MARKS: Final = bytes(
    ord("x" if re.match(r"[A-Za-z0-9+/_\r\n-]", chr(code)) else " ") for code in range(256)
)
"""Every character that base64 may have as one, and every other as another."""
_MARKS: Final = b"x" * UNBROKEN
_BASE64: Final = re.compile(rf"[A-Za-z0-9+/_\r\n-]{{{ENCODED_WORD},}}")
_URL_SAFE: Final = str.maketrans("-_", "+/", "\r\n")


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text, or of a part of it.

    Attributes:
        bones: The skeleton of what was read.
        offset: Where the part begins.
        splices: What was done to it, first to last.
    """

    bones: Skeleton
    offset: int = 0
    splices: tuple[_Splice, ...] = ()

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
        return self.origin(offsets[start], offsets[end - 1])

    def origin(self, first: Places, last: Places) -> tuple[Places, Places]:
        """For stretches of what was read, given by their first and last characters, the same."""
        for splice in reversed(self.splices):
            first, last = splice.origin(first)[0], splice.origin(last)[1] - 1
        return first + self.offset, last + 1 + self.offset


def views(text: str) -> Sequence[View]:
    """``text`` itself, and what it reads as around each place where something is encoded.

    Undone are JSON and other backslash escapes, HTML entities and tags, percent encoding and
    base64, in up to ROUNDS layers; each layer is a view of its own. A text without any of these
    costs one search.
    """
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _views(text)


def plain(text: str) -> str | None:
    """The symbols of ``text`` where it reads in one way only, whatever of another stands beside it.

    ``None`` where it may read in several.
    """
    return _plainly(text) if len(text) <= LONGEST_REMEMBERED else _plain(text)


def _plain(text: str) -> str | None:
    if any([trigger in text for trigger in TRIGGERS]) and _ESCAPED.search(text):
        return None
    return None if _is_unbroken(text) else skeleton(text).symbols


def _is_unbroken(text: str) -> bool:
    """Whether UNBROKEN characters in a row may be base64."""
    if len(text) <= SHORT:
        return _MARKS in text.encode("ascii", "replace").translate(_AS_MARKS)
    return _may_be_unbroken(text) and bool(_UNBROKEN.search(text))


def _may_be_unbroken(text: str) -> bool:
    """Whether there are UNBROKEN characters without a space; quicker than looking for them."""
    data = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    spaces = (data == ord(" ")).nonzero()[0]
    if not len(spaces):
        return True
    longest = max(int(spaces[0]), len(data) - int(spaces[-1]), int(np.diff(spaces).max(initial=0)))
    return longest >= UNBROKEN


_plainly = lru_cache(REMEMBERED)(_plain)


def _views(text: str) -> Sequence[View]:
    found = [View(skeleton(text))]
    for start, end in _windows(_pieces(text), len(text)):
        found += _decoded(text[start:end], start)
    return tuple(found)


_remembered = lru_cache(REMEMBERED)(_views)


def _pieces(text: str) -> list[_Piece]:
    escaped, encoded = _escaped(text), _encoded(text)
    if not (escaped and encoded):
        return escaped or encoded
    # No escape has a character in common with base64 but the letters after a backslash or so.
    whole = [p for p in escaped if not any(q.start < p.end and p.start < q.end for q in encoded)]
    return sorted([*whole, *encoded], key=lambda piece: piece.start)


def _windows(pieces: list[_Piece], size: int) -> Iterator[tuple[int, int]]:
    """What to read over: MARGIN characters around every piece, those that touch as one."""
    start = end = 0
    for piece in pieces:
        if piece.start - MARGIN > end:
            if end:
                yield start, end
            start = piece.start - MARGIN
        end = min(size, piece.end + MARGIN)
    if end:
        yield start, end


def _decoded(text: str, offset: int) -> Iterator[View]:
    """What ``text`` reads as after each round; it begins at ``offset`` of the original."""
    splices: tuple[_Splice, ...] = ()
    for _ in range(ROUNDS):
        pieces = _pieces(text)
        if not pieces:
            return
        text, splice = _splice(text, pieces)
        splices = (*splices, splice)
        yield View(skeleton(text), offset, splices)


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
    if not any([trigger in text for trigger in TRIGGERS]):
        return []
    found = _ESCAPE.finditer(text)
    return [_Piece(match.start(), match.end(), unescape(match[0])) for match in found]


def _encoded(text: str) -> list[_Piece]:
    pieces = [
        _from_base64(match)
        for start, end in _long_words(text)
        for match in _BASE64.finditer(text, start, end)
    ]
    return [piece for piece in pieces if piece is not None]


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
    """The text that was encoded, or nothing if it was not text.

    It may begin with up to three characters that are not its own, and with more that are glued
    to it: each of the four ways to read it is tried.
    """
    kept = [at for at, char in enumerate(match[0]) if char not in "\r\n"]
    encoded = match[0].translate(_URL_SAFE)
    for skipped in range(4):
        used = encoded[skipped : skipped + (len(encoded) - skipped) // 4 * 4 or None]
        rest = encoded[skipped + len(used) :] if len(used) % 4 == 0 else ""
        if len(rest) > 1:
            used += rest
        text = _text(base64.b64decode(used + "=" * (-len(used) % 4)))
        if text is not None:
            return _piece(match.start(), match.end(), text, np.array(kept[skipped:], np.int64))
    return None


def _text(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    good = sum(char != "\ufffd" and (char.isprintable() or char.isspace()) for char in text)
    return text if good > READABLE * len(text) else None


def _piece(start: int, end: int, text: str, kept: Places) -> _Piece:
    """``text``, with the places of its characters: three bytes for four that were kept."""
    sizes = [1 if char == "\ufffd" else len(char.encode()) for char in text]
    ends = np.cumsum(sizes, dtype=np.int64)
    first = kept[np.minimum((ends - sizes) * 4 // 3, len(kept) - 1)]
    last = kept[np.minimum((ends * 4 + 2) // 3, len(kept)) - 1]
    return _Piece(start, end, text, start + np.stack([first, last + 1], 1))


@dataclass(frozen=True, slots=True)
class _Splice:
    """How a text was put together from stretches that are, in turn, copied and decoded.

    Attributes:
        pieces: The decoded ones.
        edges: Where in the original the stretches meet, one more than there are.
        starts: Where each of them begins in what was read.
    """

    pieces: list[_Piece]
    edges: Places
    starts: Places

    def origin(self, places: Places) -> tuple[Places, Places]:
        """For characters of what was read, where the original ones begin and end."""
        stretch = np.searchsorted(self.starts, places, "right") - 1
        copied, within = stretch % 2 == 0, places - self.starts[stretch]
        begin = self.edges[stretch] + within * copied
        end = np.where(copied, begin + 1, self.edges[stretch + 1])
        for at in (~copied).nonzero()[0].tolist():
            exact = self.pieces[stretch[at] // 2].places
            if exact is not None:
                begin[at], end[at] = exact[within[at]]
        return begin, end


def _splice(text: str, pieces: list[_Piece]) -> tuple[str, _Splice]:
    """``text`` with the pieces read, and the way back."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.end)), len(text)]
    out = [text[edges[0] : edges[1]]]
    for piece, start, end in zip(pieces, edges[2::2], edges[3::2], strict=True):
        out += [piece.text, text[start:end]]
    starts = [0, *accumulate(map(len, out[:-1]))]
    splice = _Splice(pieces, np.array(edges, np.int64), np.array(starts, np.int64))
    return "".join(out), splice
