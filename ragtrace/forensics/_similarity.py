"""Similarity: how alike two answers are, by the pieces of text they share."""

from __future__ import annotations

from collections import Counter
from typing import Final

__all__ = ["SOURCE", "similarity"]

PIECE: Final = 5
"""Characters of a piece: shorter ones are shared by all texts of a language, longer ones are lost
with every changed word."""

SOURCE: Final = "Dice's coefficient over character 5-grams, case and white space folded"
"""The method by its name: L. R. Dice, Measures of the amount of ecologic association between
species (Ecology 26, 1945), over multisets of character n-grams as in W. B. Cavnar and
J. M. Trenkle, N-gram-based text categorization (1994)."""


def similarity(one: str, other: str) -> float:
    """Give 1 for the same words, and 0 where no five characters in a row are shared.

    Texts shorter than that are alike only where they are the same.
    """
    one, other = " ".join(one.casefold().split()), " ".join(other.casefold().split())
    if one == other:
        return 1.0
    first, second = _pieces(one), _pieces(other)
    pieces = first.total() + second.total()
    return 2 * (first & second).total() / pieces if pieces else 0.0


def _pieces(text: str) -> Counter[str]:
    return Counter(text[start : start + PIECE] for start in range(len(text) - PIECE + 1))
