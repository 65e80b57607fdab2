"""Held: what an index has under one document's id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._snapshot import Snapshot
from ragtrace.model import Label

__all__ = ["HeldDocument", "held_document"]


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document of an index.

    Attributes:
        labels: Of its parts, each once.
        digests: Keyed digests of the symbols of its parts.
    """

    labels: tuple[Label, ...]
    digests: frozenset[bytes]
    key: Key

    def has(self, text: str) -> bool:
        """Whether one of its parts is this text, letter for letter and digit for digit."""
        return self.key.digest(skeleton(text).symbols) in self.digests

    def __repr__(self) -> str:
        """Name the labels alone."""
        return f"HeldDocument({len(self.digests)} parts)"


def held_document(snapshot: Snapshot, key: Key, id: str) -> HeldDocument | None:
    """The document of this id; ``None`` where there is none that counts."""
    name = np.uint64(key.name(id))
    labels: dict[Label, None] = {}
    digests: set[bytes] = set()
    for one in snapshot.segments:
        documents = one.segment.documents
        there = np.flatnonzero(documents.names == name)
        there = there[one.counts(there)]
        numbers = documents.label_numbers(there)
        for place, number in zip(there.tolist(), numbers.tolist(), strict=True):
            if documents.ids[place] == id:
                labels[documents.labels[number]] = None
                digests.add(documents.digests[place].tobytes())
    return HeldDocument(tuple(labels), frozenset(digests), key) if digests else None
