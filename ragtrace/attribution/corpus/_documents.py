"""Documents: what a segment knows of each of its documents, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._pool import Pool
from ragtrace.attribution.corpus._seeds import SEED, STRIDE
from ragtrace.model import Label

__all__ = ["Documents", "seeds_of", "slots_of"]


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one segment; those of one label stand together.

    A document has a *slot* for every STRIDE symbols or part of them; its seeds begin at its
    slots, but for the last one or two, which are too near its end. So no two documents have
    seeds in neighbouring slots, and two seeds in a row are of one document.

    Attributes:
        starts: First slot of each, and where the last ends; shape ``(n + 1,)``.
        symbols: How many symbols each has.
        names: Keyed 64-bit hashes of their ids.
        digests: Keyed digests of their symbols, shape ``(n, 16)``.
        sources: Numbers in ``source_pool``.
        label_firsts: First document of each label, and n; shape ``(len(labels) + 1,)``.
    """

    starts: NDArray[np.uint32]
    symbols: NDArray[np.uint32]
    names: NDArray[np.uint64]
    digests: NDArray[np.uint8]
    sources: NDArray[np.uint32]
    label_firsts: NDArray[np.uint32]
    labels: list[Label]
    ids: Pool
    source_pool: Pool

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def slots(self) -> int:
        """Slots of all documents."""
        return int(self.starts[-1])

    def seeds(self) -> int:
        """Seeds of all documents."""
        return int(seeds_of(self.symbols.astype(np.int64)).sum())

    def at(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The documents that hold these slots."""
        return np.searchsorted(self.starts, slots.astype(np.uint32), "right").astype(np.int64) - 1

    def label_numbers(self, documents: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers in ``labels`` of the labels of these documents."""
        found = np.searchsorted(self.label_firsts, documents.astype(np.uint32), "right")
        return found.astype(np.int64) - 1


def slots_of(symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slots of documents of so many symbols."""
    return -(-symbols // STRIDE)


def seeds_of(symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seeds of documents of so many symbols."""
    return np.maximum((symbols - SEED) // STRIDE + 1, 0)
