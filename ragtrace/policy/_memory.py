"""Memory: what one policy has worked out so far; it lives and dies with the policy."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ragtrace.model import Chunk, Decision, Label, Origin

if TYPE_CHECKING:
    from ragtrace.policy._shortlist import Shortlist

__all__ = [
    "MAX_CHUNKS",
    "MAX_DECISIONS",
    "MAX_ORIGINS_KEPT",
    "MAX_SHORTLISTS",
    "Kept",
    "Labelled",
    "Memory",
]

MAX_CHUNKS: Final = 4_096
"""Labelled passages that are kept, twice as many as a process remembers for attribution, which
holds the very same texts; so about 6 MB more."""

MAX_DECISIONS: Final = 10_000
"""Decisions that are kept: those of a thousand requests of ten chunks, in some 5 MB."""

MAX_SHORTLISTS: Final = 1_000
"""Shortlists that are kept: one for each level, audience and source, of which there are few."""

MAX_ORIGINS_KEPT: Final = 4_096
"""Origins that are kept: one for each chunk that is met again and again, in 1 MB."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(dict[K, V]):
    """So many answers and no more: when it is full it starts anew.

    Threads need no lock: an answer that is lost, or found twice, is worked out again, to the same.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        self._most = most

    def keep(self, question: K, answer: V) -> V:
        """Keep ``answer``, and give it back."""
        if len(self) >= self._most:
            self.clear()
        self[question] = answer
        return answer


class Labelled(NamedTuple):
    """A passage as it was labelled.

    Attributes:
        chunk: At the place where it was first found.
        label: Of all of it, its parts included.
        left: What it leaves in a request that it is let into: that label, and what it is made of.
    """

    chunk: Chunk
    label: Label
    left: tuple[Label, tuple[Origin, ...]]


class Memory:
    """Passages as they were labelled and decisions, each by all that it depends on, shortlists of
    rules, and documents as origins.
    """

    __slots__ = ("chunks", "decisions", "origins", "shortlists")

    def __init__(self) -> None:
        self.chunks: Kept[tuple[object, ...], Labelled] = Kept(MAX_CHUNKS)
        self.decisions: Kept[tuple[object, ...], Decision] = Kept(MAX_DECISIONS)
        self.origins: Kept[tuple[str, str, str], Origin] = Kept(MAX_ORIGINS_KEPT)
        self.shortlists: Kept[tuple[object, ...], Shortlist] = Kept(MAX_SHORTLISTS)
