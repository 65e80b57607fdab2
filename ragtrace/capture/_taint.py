"""Taint: label and origins of what a request has handled so far."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import Final

from ragtrace.labels import Lattice
from ragtrace.model import Label, Origin

__all__ = ["Inherited", "Taint", "joined"]

MOST: Final = 64
"""Origins kept, as of any derived text."""

WAITING: Final = 64
"""Steps of a request whose texts are noted and not joined yet; an agent may take thousands."""

Inherited = tuple[Label, tuple[Origin, ...]]


class Taint:
    """Grows and never fades. Safe to use from several threads.

    What is noted is joined when it is asked for: most requests ask no other service.

    Attributes:
        lock: Held while it grows.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # an abandoned stream may end in the midst of a step
        self._all: Inherited | None = None
        self._noted: deque[tuple[Lattice, tuple[Inherited, ...]]] = deque()

    def add(self, lattice: Lattice, *several: Inherited) -> None:
        """Note texts of these labels, made of these documents, all at once.

        What everybody may read leaves none.
        """
        self._noted.append((lattice, several))
        if len(self._noted) > WAITING:
            self._join()

    @property
    def all(self) -> Inherited | None:
        """The join of it all, and its origins, the strictest first; ``None`` if nothing was."""
        self._join()
        return self._all

    def _join(self) -> None:
        with self.lock:
            while self._noted:
                lattice, several = self._noted.popleft()
                noted = [one for one in several if one[0] != lattice.public]
                before = self._all
                while noted:
                    grown = joined(lattice, *([] if before is None else [before]), *noted)
                    if self._all is before:  # or this very thread has come back in between
                        self._all = grown
                        break
                    before = self._all


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
