"""Common: which texts have a passage in common with chunks of an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ragtrace.attribution._fold import Codes, Places
from ragtrace.attribution._kgrams import KEPT, SURELY_FOUND, K, kgrams
from ragtrace.attribution._reading import PADDING, padded
from ragtrace.attribution._rows import Rows
from ragtrace.attribution._run import maximal

__all__ = ["EDGE", "Row", "related"]

EDGE: Final = SURELY_FOUND - KEPT + 1
"""Symbols at the edge of a text that count where they stand in another, though they are no run: a
run of SURELY_FOUND that goes over the edge has them, or KEPT symbols or more from beyond."""

_BETWEEN: Final = "\x00"


class Row:
    """Texts behind each other, hashed at every place.

    Attributes:
        codes: Their symbols, padded.
        hashes: Of the K-grams that begin at each place behind the padding.
        starts: Where each text begins.
        sizes: Symbols of each.
    """

    __slots__ = ("codes", "hashes", "sizes", "starts")

    def __init__(self, texts: Sequence[str]) -> None:
        symbols, starts = padded(texts, _BETWEEN)
        if symbols.isascii():
            self.codes: Codes = np.frombuffer(symbols.encode(), np.uint8).astype(np.uint32)
        else:
            self.codes = np.frombuffer(symbols.encode("utf-32-le"), np.uint32)
        self.hashes = kgrams(self.codes[PADDING:-PADDING])
        self.starts, self.sizes = starts, list(map(len, texts))

    def text_of(self, places: Places) -> set[int]:
        """The texts that ``places`` are in."""
        return set(self.text_at(places).tolist())

    def text_at(self, places: Places) -> Places:
        """The number of the text that each place is in."""
        return np.searchsorted(self.starts, places, "right") - 1


def related(
    row: Row, own: Sequence[int], rows: Rows, pairs: tuple[Places, Places, Places]
) -> tuple[set[int], set[int]]:
    """Which texts of ``row`` have something in common with chunks; and with which, by number.

    That is a run of SURELY_FOUND symbols or more, or EDGE symbols from an edge of either.

    Args:
        row: The texts.
        own: For each the number of the chunk that it is itself, which does not count where it
            stands just so; -1 if it is none.
        rows: Of the chunks.
        pairs: Places of seeds in ``row``, the chunk of each, and where in ``rows`` it stands.
    """
    places, chunk, at = pairs
    text, within = row.text_at(places), rows.locate(at)[1]
    place, size = places - np.array(row.starts)[text], np.array(row.sizes)[text]
    other = ((np.array(own)[text] != chunk) | (place != within)).nonzero()[0]
    if not len(other):
        return set(), set()
    places, chunk, at = places[other], chunk[other], at[other]
    text, place, size, within = text[other], place[other], size[other], within[other]
    early = EDGE - K
    texts = text[(place <= early) | (place >= size - EDGE)]
    chunks = chunk[(within <= early) | (within >= rows.sizes(chunk) - EDGE)]
    start, _, begin = maximal(row.codes, rows.codes, places, at)
    return (
        {*texts.tolist(), *row.text_of(start)},
        {*chunks.tolist(), *rows.locate(begin)[0].tolist()},
    )
