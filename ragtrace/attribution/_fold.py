"""Fold: the symbols of one character, and of many at once."""

from __future__ import annotations

import os
import threading
import unicodedata
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._confusables import LOOKALIKES

__all__ = ["Codes", "Places", "fold", "fold_all"]

Codes = NDArray[np.uint32]
"""Code points of symbols."""

Places = NDArray[np.signedinteger[Any]]
"""Indices into a text, or into its symbols."""

IDEOGRAPHS: Final = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x323AF))
"""Code points that stand for a word or a syllable rather than a letter."""

FILLERS: Final = "\ue000\ue001"
"""Follow an ideograph, so that it counts for three symbols: it says as much as three or four
letters do, and every threshold is in symbols. Private use, so no text folds to them."""

_CODE_POINTS: Final = 0x110000
_UNKNOWN: Final = 255
"""Stands for the count of a code point that was never met; the most that one gives is 18."""
_PAGE: Final = 8
"""Bits of a code point within its page: 256 are folded at a time, when one of them is first met."""
_CODE_POINTS_KEPT: Final = 8192
"""Folded characters remembered; more than the distinct characters of any one text seen."""


@lru_cache(maxsize=_CODE_POINTS_KEPT)
def fold(char: str) -> str:
    """The symbols of one character: none, one or several. A pure function of the code point.

    Case, accents, width and ligatures go, and what is neither letter nor digit; digits of
    every script become those of ASCII, and letters that look like Latin ones become these.
    """
    decomposed = unicodedata.normalize("NFKD", char.casefold()).casefold()
    kept = "".join(_plain(part) for part in decomposed if part.isalnum())
    return kept.translate(LOOKALIKES)


def _plain(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if any(first <= ord(char) <= last for first, last in IDEOGRAPHS):
        return char + FILLERS
    return char


class _Table:
    """Every code point's symbols, filled in a page at a time.

    The arrays are as long as Unicode, but memory that is never touched is never given out:
    a process that sees Latin only holds 1 MB of them.
    """

    def __init__(self) -> None:
        self._learning = threading.RLock()  # an abandoned stream may end in the midst of it
        self._count = np.full(_CODE_POINTS, _UNKNOWN, np.uint8)
        self._first = np.zeros(_CODE_POINTS, np.uint32)
        self._start = np.zeros(_CODE_POINTS, np.uint32)
        self._several = np.zeros(0, np.uint32)  # the symbols of those that have two or more

    def fold(self, codes: Codes) -> tuple[Codes, Places]:
        count = self._count.take(codes)
        most = count.max(initial=0)
        if most == _UNKNOWN:
            with self._learning:
                for page in np.unique(codes[count == _UNKNOWN] >> _PAGE).tolist():
                    self._learn(page)
            return self.fold(codes)
        if most <= 1:
            places = count.nonzero()[0]
            return self._first.take(codes.take(places)), places
        return self._fold_several(codes, count)

    def _fold_several(self, codes: Codes, count: NDArray[np.uint8]) -> tuple[Codes, Places]:
        places = np.repeat(np.arange(len(codes)), count)
        symbols = self._first[codes[places]]
        many = np.flatnonzero(count > 1)
        sizes = count[many].astype(np.int64)
        ahead = np.cumsum(count, dtype=np.int64)[many] - sizes  # where each one's symbols begin
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        begin = self._start[codes[many]].astype(np.int64)
        symbols[np.repeat(ahead, sizes) + within] = self._several[np.repeat(begin, sizes) + within]
        return symbols, places

    def _learn(self, page: int) -> None:
        codes = range(page << _PAGE, (page + 1) << _PAGE)
        folded = [fold.__wrapped__(chr(code)) for code in codes]
        several = np.array([ord(s) for many in folded if len(many) > 1 for s in many], np.uint32)
        while True:
            before = self._several
            grown = np.concatenate([before, several])
            if self._several is before:  # or this very thread has come back in between
                self._several = grown
                break
        place = len(before)
        for code, symbols in zip(codes, folded, strict=True):
            if symbols:
                self._first[code] = ord(symbols[0])
            if len(symbols) > 1:
                self._start[code] = place
                place += len(symbols)
        self._count[codes.start : codes.stop] = list(map(len, folded))


_TABLE: Final = _Table()


def _forked() -> None:
    """A child has none of its parent's threads: one that was learning will not come back."""
    _TABLE._learning = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def fold_all(text: str) -> tuple[Codes, Places]:
    """The symbols of ``text`` as code points, and for each the index of its character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _TABLE.fold(codes)
