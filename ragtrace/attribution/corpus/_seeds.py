"""Seeds: keyed hashes of SEED symbols in a row, at every place or at every STRIDE-th."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._key import Key

__all__ = ["BLOCK", "MIN_FOUND", "SEED", "STRIDE", "Codes", "Hashes", "Seeds", "code_points"]

SEED: Final = 24
"""Symbols of a seed. A prompt of 100 KB shares 18 of them with 163,000 strangers' chunks, and
two in a row with none (attribution notes, section 4)."""

STRIDE: Final = 16
"""Distance of the seeds kept of a document; a prompt is looked up at every place. Half the
entries of winnowing with the same promise."""

MIN_FOUND: Final = SEED + 2 * STRIDE - 1
"""Symbols of a shared run that always holds two seeds in a row: 55, about 69 characters."""

BLOCK: Final = 1 << 14
"""Places hashed, or looked up, at once: a text of any length needs a few arrays of 128 KB beside
its hashes. For 81,000 places it costs 0.05 ms more than one go does."""

_LOW: Final = 0x80
"""Symbols below are looked up in a table; prose in Latin script has no others."""

Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint8] | NDArray[np.uint32]


class Seeds:
    """Hashes of runs of SEED symbols under one key: a polynomial over keyed symbols, mixed.

    A symbol's value depends on its code point and the key alone, so that the same run has
    the same hash in every text.
    """

    __slots__ = ("_key", "_mix", "_powers", "_table", "_xor")

    def __init__(self, key: Key) -> None:
        drawn = np.frombuffer(key.derive("seeds", 40), np.uint64)
        self._xor = drawn[0]
        self._mix = [value | np.uint64(1) for value in drawn[1:4]]  # odd: nothing is lost
        base = int(drawn[4]) | 1
        self._powers = {n: np.uint64(pow(base, n, 1 << 64)) for n in (1, 2, 4, 8)}
        self._table = self._mixed(np.arange(_LOW, dtype=np.uint64))

    def everywhere(self, codes: Codes) -> Hashes:
        """The hash at every place of ``codes`` (shape ``(n,)``) where a seed begins.

        Returns:
            Shape ``(max(0, n - SEED + 1),)``.
        """
        count = max(0, len(codes) - SEED + 1)
        found = np.empty(count, np.uint64)
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            found[start:stop] = self._block(codes[start : stop + SEED - 1])
        return found

    def stride(self, codes: Codes) -> Hashes:
        """The hash at every STRIDE-th place, from the first.

        Args:
            codes: Shape ``(n,)``, n a multiple of STRIDE.

        Returns:
            Shape ``(n // STRIDE,)``; the last one, whose seed would run over the end, is 0.
        """
        values = self._values(codes)
        for span in (1, 2, 4):
            left = values[0::2] * self._powers[span]
            left += values[1::2]
            values = left
        eighth = self._powers[8]
        found = np.zeros(len(codes) // STRIDE, np.uint64)
        found[:-1] = (values[0:-2:2] * eighth + values[1:-2:2]) * eighth + values[2::2]
        return self._finished(found)

    def _block(self, codes: Codes) -> Hashes:
        one = self._values(codes)
        two = one[:-1] * self._powers[1]
        two += one[1:]
        four = two[:-2] * self._powers[2]
        four += two[2:]
        eight = four[:-4] * self._powers[4]
        eight += four[4:]
        found = eight[:-16] * self._powers[8]
        found += eight[8:-8]
        found *= self._powers[8]
        found += eight[16:]
        return self._finished(found)

    def _values(self, codes: Codes) -> Hashes:
        if codes.dtype == np.uint8:
            return self._table.take(codes)
        return self._mixed(codes.astype(np.uint64))

    def _mixed(self, values: Hashes) -> Hashes:
        """Keyed values of symbols, in place."""
        values ^= self._xor
        values *= self._mix[0]
        values ^= values >> np.uint64(32)
        values *= self._mix[1]
        values ^= values >> np.uint64(29)
        return values

    def _finished(self, hashes: Hashes) -> Hashes:
        """Spread over all bits, in place: the high ones decide where a seed is kept."""
        hashes ^= hashes >> np.uint64(29)
        hashes *= self._mix[2]
        hashes ^= hashes >> np.uint64(32)
        return hashes


def code_points(symbols: str) -> Codes:
    """The symbols as numbers, in bytes where that is enough: it is for prose in Latin script."""
    if symbols.isascii():
        return np.frombuffer(symbols.encode("ascii"), np.uint8)
    return np.frombuffer(symbols.encode("utf-32-le"), np.uint32)
