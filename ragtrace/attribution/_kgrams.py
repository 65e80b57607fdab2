"""K-grams: a number for every K symbols in a row of a text."""

from __future__ import annotations

import secrets
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._fold import Codes

__all__ = ["STRIDE", "SURELY_FOUND", "Hashes", "K", "kgrams"]

Hashes = NDArray[np.uint32]

K: Final = 24
"""Symbols of a seed. At 16, a prompt of 250 KB shares 4,800 common phrases with 100 documents of
its domain, at 24 a fourth of that; and each has to be looked at."""

STRIDE: Final = 8
"""Distance of the seeds kept of a chunk: an eighth of the places."""

SURELY_FOUND: Final = K + STRIDE - 1
"""Symbols of a shared run from which it always holds a seed. A shorter one may be found in one
chunk and missed in another that has it too, and so tells nothing."""

_MIX: Final = np.uint32(secrets.randbits(32) | 1)
_MIX_AGAIN: Final = np.uint32(secrets.randbits(32) | 1)
_BASE: Final = secrets.randbits(32) | 1
"""Drawn anew in every process, so that nobody can write texts whose seeds all collide. What is
found does not depend on them: every match is compared symbol by symbol."""

_POWERS: Final = {size: np.uint32(pow(_BASE, size, 1 << 32)) for size in (1, 2, 4, 8)}


def kgrams(codes: Codes) -> Hashes:
    """The hash of each K symbols in a row: one fewer than K less than there are symbols.

    A polynomial over mixed symbols, by doubling: two neighbours of 2^n symbols make one of
    2^(n+1), and one of sixteen and one of eight make one of K.
    """
    if len(codes) < K:
        return np.zeros(0, np.uint32)
    mixed = codes * _MIX
    mixed ^= mixed >> np.uint32(15)
    mixed *= _MIX_AGAIN
    eight = _doubled(_doubled(_doubled(mixed, 1), 2), 4)
    return _doubled(eight, 8)[:-8] * _POWERS[8] + eight[16:]


def _doubled(hashes: Hashes, size: int) -> Hashes:
    joined = hashes[:-size] * _POWERS[size]
    joined += hashes[size:]
    return joined
