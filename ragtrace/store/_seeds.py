"""Seeds: a secret that gives every text a key of its own, and can forget single ones.

A tree of hashes with the secret at its root and a text's seed at the leaf that the text's digest
names (Goldreich, Goldwasser and Micali, "How to construct random functions", 1986). To forget a
leaf, the root is replaced by the siblings along its path: they give every other leaf and not
this one (a puncturable pseudorandom function).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

__all__ = ["SEED_BYTES", "Seeds"]

SEED_BYTES: Final = 32
"""Of every node: 256 bits."""
BITS: Final = 2
"""Of a digest for each step down: four children make a leaf cheap to reach and to forget."""
DEPTH: Final = 20
"""Steps: 40 bits of a digest. Of a subject with a million texts, one that is forgotten takes
another along with a chance of one to a million."""
NODE_BYTES: Final = 1 + 5 + SEED_BYTES
"""Depth, place and seed, as stored."""

_Place = tuple[int, int]
"""Depth, and the bits that lead there."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The nodes from which the leaves are made that were not forgotten.

    Attributes:
        nodes: Seeds by place; the root alone, until something is forgotten.
    """

    nodes: Mapping[_Place, bytes] = field(repr=False)

    @classmethod
    def grown(cls, root: bytes) -> Self:
        """Begin with a secret of 32 random bytes."""
        return cls({(0, 0): root})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what ``to_bytes`` gave."""
        starts = range(0, len(data), NODE_BYTES)
        parts = [data[start : start + NODE_BYTES] for start in starts]
        return cls({(p[0], int.from_bytes(p[1:6], "big")): p[6:] for p in parts})

    def to_bytes(self) -> bytes:
        """Give the nodes in 38 bytes each; a secret, to be sealed."""
        return b"".join(
            bytes([depth]) + place.to_bytes(5, "big") + seed
            for (depth, place), seed in sorted(self.nodes.items())
        )

    def leaf(self, digest: str) -> bytes | None:
        """Give the seed of a text, 32 bytes; ``None`` where it was forgotten."""
        leads = _leads(digest)
        found = self._above(leads)
        return None if found is None else _down(self.nodes[found], leads, found[0], DEPTH)

    def without(self, digest: str) -> Seeds:
        """Give the seeds that no longer lead to the text of ``digest``, and to every other."""
        leads = _leads(digest)
        found = self._above(leads)
        if found is None:
            return self
        rest = {place: seed for place, seed in self.nodes.items() if place != found}
        return Seeds(rest | dict(_siblings(self.nodes[found], leads, found[0])))

    def _above(self, leads: int) -> _Place | None:
        """The node that leads to a leaf, if one still does."""
        places = ((depth, leads >> BITS * (DEPTH - depth)) for depth in range(DEPTH + 1))
        return next((place for place in places if place in self.nodes), None)


def _siblings(seed: bytes, leads: int, depth: int) -> Iterator[tuple[_Place, bytes]]:
    """What stands beside the path down to a leaf."""
    for below in range(depth + 1, DEPTH + 1):
        on_path = leads >> BITS * (DEPTH - below)
        parent = on_path >> BITS << BITS
        for place in range(parent, parent + (1 << BITS)):
            if place != on_path:
                yield (below, place), _child(seed, place)
        seed = _child(seed, on_path)


def _down(seed: bytes, leads: int, depth: int, until: int) -> bytes:
    for below in range(depth + 1, until + 1):
        seed = _child(seed, leads >> BITS * (DEPTH - below))
    return seed


def _child(seed: bytes, place: int) -> bytes:
    turn = bytes([place & ((1 << BITS) - 1)])
    return hashlib.blake2b(turn, key=seed, digest_size=SEED_BYTES).digest()


def _leads(digest: str) -> int:
    """The way to a text's leaf. Hashed again: what calls itself a digest may be anything."""
    hashed = hashlib.sha256(digest.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(hashed[:5], "big")
