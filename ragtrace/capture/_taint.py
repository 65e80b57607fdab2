"""Taint: label and origins of what a request has handled so far."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ragtrace.labels import Lattice
from ragtrace.model import Label, Origin

__all__ = ["Taint", "joined"]

MOST: Final = 64
"""Origins kept, as of any derived text."""

Inherited = tuple[Label, tuple[Origin, ...]]


class Taint:
    """Grows and never fades. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: Inherited | None = None

    def add(self, lattice: Lattice, label: Label, origins: Iterable[Origin]) -> None:
        """Note text of this label, made of these documents; what everybody may read leaves none."""
        if label == Label(lattice.least):
            return
        with self._lock:
            before = [] if self._all is None else [self._all]
            self._all = joined(lattice, *before, (label, tuple(origins)))

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
            if known.label != origin.label:
                label = lattice.join([known.label, origin.label])
                origins[origin.digest, origin.document] = replace(known, label=label)
    strict = sorted(origins.values(), key=lambda one: lattice.rank(one.label.level), reverse=True)
    return lattice.join([label for label, _ in several]), tuple(strict[:MOST])
