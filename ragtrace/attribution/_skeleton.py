"""Skeleton: a text without what formatting changes, with the way back to its offsets."""

from __future__ import annotations

from dataclasses import dataclass
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

    def codes(self) -> Codes:
        """The symbols as code points."""
        if self.symbols.isascii():
            return np.frombuffer(self.symbols.encode(), np.uint8).astype(np.uint32)
        return np.frombuffer(self.symbols.encode("utf-32-le"), np.uint32)

    def offsets(self) -> Places:
        """For each symbol, the index of the original character it came from.

        Computed on demand: most texts match nothing and never need it.
        """
        if self.text.isascii():
            kept = self.text.encode().translate(_ASCII_KEPT)
            return np.flatnonzero(np.frombuffer(kept, np.bool_))
        return fold_all(self.text)[1]


def skeleton(text: str) -> Skeleton:
    """The skeleton of ``text``; folding is a pure function of each code point."""
    if text.isascii():
        return Skeleton(text, text.encode().translate(_ASCII, _ASCII_DROPPED).decode("ascii"))
    return Skeleton(text, fold_all(text)[0].tobytes().decode("utf-32-le"))
