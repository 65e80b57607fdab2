"""Chunks: any number of made-up English chunks, each unique, faster than any index takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from ragtrace.testing.attribution._material import Material

__all__ = ["Chunks"]

BLOCK: Final = 100
"""Chunks made at once; any of them can be made again by making its block."""

LENGTH: Final = 1_200
"""Characters of a chunk, about: what splitters make by default."""


LONGEST: Final = 16
"""Characters of a word: a link of 60 letters would be the same run in hundreds of chunks."""


_ESCAPES: Final = frozenset("\\&%<")
"""Marks that make a text look encoded. A prompt of a hundred chunks would always hold one."""


class Chunks:
    """Words of real documents at their real frequencies, drawn anew for every chunk.

    Five words in a row are drawn twice about once in 10^15 times, so that a run of 55 symbols
    belongs to one chunk alone. A million of them are 1.2 GB, and are never all in memory.
    """

    def __init__(self, material: Material, seed: int) -> None:
        words = (word for text in material.documents for word in text.split())
        said = [
            word
            for word in words
            if word.isascii() and len(word) <= LONGEST and not _ESCAPES.intersection(word)
        ]
        self._words = np.array(said, dtype=object)
        self._count = round(LENGTH / (sum(map(len, said)) / len(said) + 1))
        self._seed = seed
        self._known: tuple[int, list[str]] = (-1, [])

    def __getitem__(self, number: int) -> str:
        block, place = divmod(number, BLOCK)
        if self._known[0] != block:
            self._known = block, self._block(block)
        return self._known[1][place]

    def blocks(self, count: int) -> Iterator[list[str]]:
        """The first ``count`` chunks, in lists."""
        for block in range(-(-count // BLOCK)):
            yield self._block(block)[: count - block * BLOCK]

    def _block(self, number: int) -> list[str]:
        dice = np.random.default_rng([self._seed, number])
        drawn = dice.integers(0, len(self._words), (BLOCK, self._count))
        return [" ".join(row) for row in self._words[drawn].tolist()]
