"""Skeleton: a text without what formatting changes, with the way back to its offsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ragtrace.attribution._fold import Codes, Places, fold, fold_all

__all__ = ["Skeleton", "fold", "skeleton"]

_ASCII: Final = bytes(range(128)).lower().ljust(256, b"\0")
_ASCII_DROPPED: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_ASCII_KEPT: Final = bytes(chr(code).isalnum() for code in range(128)).ljust(256, b"\0")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The letters and digits of ``text``: case-folded, unaccented, nothing in between.

    Whitespace, punctuation, markup marks and zero-width characters vanish, so that a
    re-wrapped, quoted or bulleted copy has the same symbols.

    Attributes:
        text: The original.
        symbols: The skeleton; one original character may give none, one or several.
    """

    text: str
    symbols: str
    _places: Places | None = field(default=None, repr=False, compare=False)

    def codes(self) -> Codes:
        """The symbols as code points."""
        if self.symbols.isascii():
            return np.frombuffer(self.symbols.encode(), np.uint8).astype(np.uint32)
        return np.frombuffer(self.symbols.encode("utf-32-le"), np.uint32)

    def offsets(self) -> Places:
        """For each symbol, the index of the original character it came from.

        Of ASCII computed on demand: most texts match nothing and never need it.
        """
        if self._places is not None:
            return self._places
        kept = self.text.encode().translate(_ASCII_KEPT)
        return np.frombuffer(kept, np.bool_).nonzero()[0]


def skeleton(text: str) -> Skeleton:
    """The skeleton of ``text``; folding is a pure function of each code point."""
    if text.isascii():
        return Skeleton(text, text.encode().translate(_ASCII, _ASCII_DROPPED).decode("ascii"))
    codes, places = fold_all(text)
    return Skeleton(text, codes.tobytes().decode("utf-32-le"), places.astype(np.int32))
