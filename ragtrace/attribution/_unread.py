"""Unread: seeds of texts that no index has yet; they tell where one of them has to be there."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import numpy as np

from ragtrace.attribution._kgrams import Hashes

__all__ = ["MOST_UNREAD", "Unread"]

MOST_UNREAD: Final = 16
"""Texts that wait. An index takes in sixteen of 1 KB in a fourth of the time that it takes for
each by itself, and most are never met again."""

_BITS: Final = 20
"""Of a hash that are marked: of 500 places of a prompt two are looked at beside those of sixteen
texts, and the marks of 1 MB stay in a processor's cache."""

_SHIFT: Final = np.uint32(32 - _BITS)


class Unread:
    """Seeds of texts by name. It says no only where none of them is in what is looked at."""

    def __init__(self) -> None:
        self._marks = np.zeros(1 << _BITS, np.bool_)
        self._hashes: dict[str, Hashes] = {}

    def holds(self, names: Set[str]) -> bool:
        """Whether the seeds of all of these are noted."""
        return self._hashes.keys() >= names

    def add(self, name: str, hashes: Hashes) -> None:
        """Note the seeds of a text."""
        self._hashes[name] = hashes
        self._marks[hashes >> _SHIFT] = True

    def may_hold(self, hashes: Hashes) -> bool:
        """Whether one of ``hashes`` is a seed."""
        if not self._hashes:
            return False
        some = hashes[self._marks.take(hashes >> _SHIFT)].tolist()
        return any([bool((seeds == one).any()) for one in some for seeds in self._hashes.values()])

    def clear(self) -> None:
        """Forget all of them."""
        for hashes in self._hashes.values():
            self._marks[hashes >> _SHIFT] = False
        self._hashes = {}
