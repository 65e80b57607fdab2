"""Derived: what models have said, with the labels of what they said it from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from ragtrace.attribution import Index, Reading
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._taint import joined
from ragtrace.labels import Lattice
from ragtrace.model import Attribution, Audience, Chunk, Label
from ragtrace.policy import Policy

__all__ = ["Completions", "Derived"]

LABELLED: Final = 2048
"""Completions above the least label that are remembered, the one that has been there longest
forgotten first. One of 1 KB takes about 25 KB with its seeds, so about 50 MB in all."""

PLAIN: Final = 512
"""Completions that everybody may read remembered; they only help to account for a prompt."""


MOST_RECIPIENTS: Final = 256
"""Recipients remembered of one text. There are as many as audiences and tenants, unless it matters
who somebody is; who comes after them is judged as if he had never had it."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A text that a model made, and who has had it.

    Attributes:
        chunk: With the label it inherits, and its origins.
        passed: Those for whom it has gone through the policy and the guard.
        told: Those of them to whom it was the last word of a turn, and so has been said.
    """

    chunk: Chunk
    passed: frozenset[Recipient] = frozenset()
    told: frozenset[Recipient] = frozenset()

    def was_passed(self, policy: Policy, audience: Audience) -> bool:
        """Whether it has gone through policy and guard for a reader like ``audience``."""
        return _among(self.passed, Recipient.of(policy, self.chunk, audience))

    def was_told(self, policy: Policy, audience: Audience) -> bool:
        """Whether a reader like ``audience`` has been told it."""
        return _among(self.told, Recipient.of(policy, self.chunk, audience))


class Completions:
    """The derived texts of a process, findable by their words. Its owner holds a lock.

    Attributes:
        index: Those that have been looked for.
    """

    def __init__(self) -> None:
        self.index: Final = Index()
        self._known: dict[str, Derived] = {}
        self._labelled: OrderedDict[str, None] = OrderedDict()
        self._plain: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, Chunk] = {}  # known, and not yet in the index

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, digest: str) -> Derived:
        return self._known[digest]

    @property
    def waiting(self) -> Mapping[str, Chunk]:
        """Those that are not findable yet."""
        return self._waiting

    def get(self, digest: str) -> Derived | None:
        """What is known of the text of this digest."""
        return self._known.get(digest)

    def add(self, made: Derived, lattice: Lattice) -> Derived:
        """Remember a completion; gives what is now known of its text.

        A text that was made twice has the freer of its two labels: whoever could be told what
        the one was made from could have been told the text. Where neither is freer it has the
        origins of both.
        """
        name = made.chunk.digest
        before = self._known.get(name)
        if before is not None:
            made = _merged(before, made, lattice)
        else:
            self._waiting[name] = made.chunk
            if max(len(made.passed), len(made.told)) > MOST_RECIPIENTS:
                made = _merged(Derived(made.chunk), made, lattice)
        self._known[name] = made
        plain = _whole(made.chunk, lattice) == lattice.public
        for place, here in ((self._plain, plain), (self._labelled, not plain)):
            place.pop(name, None)
            if here:
                place[name] = None
        self._forget()
        return made

    def tell(self, digest: str, recipient: Recipient) -> Derived | None:
        """Note that ``recipient`` has been told the text; gives what is now known of it."""
        known = self._known.get(digest)
        if known is None:
            return None
        one = frozenset({recipient})
        told = replace(known, told=_with(known.told, one), passed=_with(known.passed, one))
        self._known[digest] = told
        return told

    def settle(self) -> Mapping[str, Chunk]:
        """Make those findable that are not yet; gives them. Where that fails, they wait on."""
        new = self._waiting
        if new:
            self.index.add(*new.values())
            self._waiting = {}
        return new

    def attribute(self, reading: Reading) -> list[Attribution]:
        """What of them stands in some messages.

        A short one ("Yes.") says nothing by being there whole, unlike a document: only its
        length counts.
        """
        self.settle()
        if not len(self.index):
            return []
        return [replace(one, whole=False) for one in self.index.attribute(reading)]

    def _forget(self) -> None:
        for place, most in ((self._plain, PLAIN), (self._labelled, LABELLED)):
            while len(place) > most:
                name, _ = place.popitem(last=False)
                del self._known[name]
                self._waiting.pop(name, None)
                self.index.remove(name)


def _merged(before: Derived, made: Derived, lattice: Lattice) -> Derived:
    chunk = _freer(before.chunk, made.chunk, lattice)
    return Derived(chunk, _with(before.passed, made.passed), _with(before.told, made.told))


def _freer(before: Chunk, made: Chunk, lattice: Lattice) -> Chunk:
    """The chunk of a text that was made twice."""
    one, two = _whole(before, lattice), _whole(made, lattice)
    if one != two and lattice.dominates(two, one):
        return before
    if one != two and lattice.dominates(one, two):
        return made
    label, origins = joined(lattice, (one, before.origins), (two, made.origins))
    if one != two:  # neither is freer: what both ask for holds
        return replace(made, label=label, ranges=(), origins=origins, copied=())
    if _named(before) >= _named(made):
        return before
    # What one prompt explains as copied need not be so in what was made from the other.
    copied = before.copied if before.copied == made.copied else ()
    return replace(before, origins=origins, copied=copied)


def _named(chunk: Chunk) -> set[tuple[str, str]]:
    return {(origin.digest, origin.document) for origin in chunk.origins}


def _whole(chunk: Chunk, lattice: Lattice) -> Label:
    if not chunk.ranges:
        return chunk.label
    return lattice.join([chunk.label, *(part.label for part in chunk.ranges)])


def _with(some: frozenset[Recipient], more: frozenset[Recipient]) -> frozenset[Recipient]:
    if more <= some:
        return some
    return some | frozenset(islice(more - some, max(0, MOST_RECIPIENTS - len(some))))


def _among(some: frozenset[Recipient], one: Recipient) -> bool:
    return one in some or any(other.answers_for(one) for other in some)
