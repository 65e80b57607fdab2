"""Session: what the sections of a bench work on, and whom they tell how far they are."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ragtrace.testing.attribution._effort import Effort
from ragtrace.testing.attribution._material import Material
from ragtrace.testing.bench import Listener, Silent

__all__ = ["Session"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """The material, how much is done with it, and the seed of all chance in it."""

    material: Material
    effort: Effort
    listener: Listener = field(default_factory=Silent)
    seed: int = 20261120

    def dice(self, *purpose: object) -> random.Random:
        """Chance that is the same on every run, and apart for every purpose."""
        return random.Random(f"{self.seed}:{purpose}")

    def steps(self, what: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
        """``items``, the listener being told of each."""
        count = total if total is not None else len(items) if isinstance(items, Sequence) else 0
        self.listener.progress(what, 0, count)
        for done, item in enumerate(items, 1):
            yield item
            self.listener.progress(what, done, count)
