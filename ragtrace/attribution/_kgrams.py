"""K-grams: a number for every K symbols in a row of a text."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._fold import Codes

__all__ = ["KEPT", "LOOKED_UP", "SURELY_FOUND", "Hashes", "K", "kgrams", "seeds_of"]

Hashes = NDArray[np.uint32]

K: Final = 20
"""Symbols of a seed: long enough that a prompt shares few phrases with documents of its domain by
chance, since each has to be looked at; short enough for what follows."""

KEPT: Final = 4
"""Every fourth place of a chunk is kept as a seed."""

LOOKED_UP: Final = 3
"""Every third place of a prompt is looked up. Three and four have no divisor in common, so in any
twelve places in a row of a shared run there is one that is both: sampling both sides takes a third
of the look-ups and two thirds of the matches that a stride of eight on one side would."""

SURELY_FOUND: Final = K + KEPT * LOOKED_UP - 1
"""Symbols of a shared run that always holds a seed: 31. A shorter one may be found in one chunk
and missed in another that has it too, and so tells nothing."""

_BETWEEN: Final = "\x00"
"""Stands between two texts; no text folds to it, and no chunk has a K-gram with it."""

_MIX: Final = np.uint32(secrets.randbits(32) | 1)
_MIX_AGAIN: Final = np.uint32(secrets.randbits(32) | 1)
_BASE: Final = secrets.randbits(32) | 1
"""Drawn anew in every process, so that nobody can write texts whose seeds all collide. What is
found does not depend on them: every match is compared symbol by symbol."""

_POWERS: Final = {size: np.uint32(pow(_BASE, size, 1 << 32)) for size in (1, 2, 4, 8)}


def kgrams(codes: Codes, every: int = 1) -> Hashes:
    """The hash of K symbols in a row at every place, or at every second, third and so on.

    A polynomial over mixed symbols, by doubling: two neighbours of 2^n symbols make one of
    2^(n+1), and one of sixteen and one of four make one of K.
    """
    if len(codes) < K:
        return np.zeros(0, np.uint32)
    return _of_mixed(_mixed(codes), every)


def seeds_of(texts: Sequence[str]) -> Hashes:
    """The same at every place of some texts, and none that goes from one into the next."""
    symbols = _BETWEEN.join(texts)
    if len(symbols) < K:
        return np.zeros(0, np.uint32)
    if not symbols.isascii():
        return kgrams(np.frombuffer(symbols.encode("utf-32-le"), np.uint32))
    return _of_mixed(_ASCII.take(np.frombuffer(symbols.encode(), np.uint8)), 1)


def _mixed(codes: Codes) -> Codes:
    mixed = codes * _MIX
    mixed ^= mixed >> np.uint32(15)
    mixed *= _MIX_AGAIN
    return mixed


_ASCII: Final = _mixed(np.arange(128, dtype=np.uint32))


def _of_mixed(mixed: Codes, every: int) -> Hashes:
    four = _doubled(_doubled(mixed, 1), 2)
    sixteen = _doubled(_doubled(four, 4), 8)
    hashes = sixteen[:-4:every] * _POWERS[4]
    hashes += four[16::every]
    return hashes


def _doubled(hashes: Hashes, size: int) -> Hashes:
    joined = hashes[:-size] * _POWERS[size]
    joined += hashes[size:]
    return joined
