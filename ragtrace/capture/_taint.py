"""Taint: label and origins of what a request has handled so far."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from ragtrace.labels import Lattice
from ragtrace.model import Label, Origin

__all__ = ["Inherited", "Taint", "joined"]

MOST: Final = 64
"""Origins kept, as of any derived text."""

Inherited = tuple[Label, tuple[Origin, ...]]


class Taint:
    """Grows and never fades. Safe to use from several threads.

    Attributes:
        lock: Held while it grows.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # an abandoned stream may end in the midst of a step
        self._all: Inherited | None = None

    def add(self, lattice: Lattice, *several: Inherited) -> None:
        """Note texts of these labels, made of these documents, all at once.

        What everybody may read leaves none.
        """
        least = lattice.public
        noted = [one for one in several if one[0] is not least and one[0] != least]
        if not noted:
            return
        with self.lock:
            while True:
                before = self._all
                grown = joined(lattice, *([] if before is None else [before]), *noted)
                if self._all is before:  # or this very thread has come back in between
                    self._all = grown
                    return

    @property
    def all(self) -> Inherited | None:
        """The join of it all, and its origins, the strictest first; ``None`` if nothing was."""
        return self._all


def joined(lattice: Lattice, *several: Inherited) -> Inherited:
    """What is made of several texts inherits: the join, and all origins, the strictest first."""
    origins: dict[tuple[str, str], Origin] = {}
    for _, those in several:
        for origin in those:
            known = origins.setdefault((origin.digest, origin.document), origin)
            if known.label is not origin.label and known.label != origin.label:
                label = lattice.join([known.label, origin.label])
                origins[origin.digest, origin.document] = replace(known, label=label)
    strict = list(origins.values())
    if len({id(one.label) for one in strict}) > 1:  # most are of one label
        strict.sort(key=lambda one: lattice.rank(one.label.level), reverse=True)
    return lattice.join([label for label, _ in several]), tuple(strict[:MOST])
