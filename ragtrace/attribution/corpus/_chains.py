"""Chains: matching seeds that stand in the text as they stand in a document, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._seeds import STRIDE
from ragtrace.attribution.corpus._segment import Found
from ragtrace.attribution.corpus._snapshot import OpenSegment

__all__ = ["Chains", "Matches"]

FOLLOWED: Final = 64
"""Entries of one seed that are followed for each label: more copies of a text tell no more."""

LEAST_FOLLOWED: Final = 8
"""Of them where a text has very many matches; enough to see that a seed is boilerplate."""

MATCHES: Final = 1 << 17
"""Matches followed in one text, about; a text of seeds that all are crowded has more. 60,000
letters, all the same, looked for in 20,000 of them, take 0.16 s."""

LABELS: Final = 64
"""Labels looked for among the entries of a crowded seed."""

EXTENDED: Final = 64
"""Seeds by which a chain is followed into crowded ones, so 1,024 symbols, on either side."""

SEARCHED: Final = 1 << 18
"""Entries looked for among those of crowded seeds, in one text: about 50 ms."""

_PLACE_BITS: Final = 29
"""Bits of a place in the sort key of a match; the other 34 are its diagonal."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chains:
    """Matches in a row: seeds of one document, STRIDE apart in it and in the text.

    Attributes:
        firsts: Place in the text of each chain's first seed.
        lasts: Place of its last.
        slots: Slot of its first.
        documents: The document it is of.
    """

    firsts: Numbers
    lasts: Numbers
    slots: Numbers
    documents: Numbers

    def only(self, kept: NDArray[np.bool_]) -> Chains:
        """Those that are marked."""
        return Chains(self.firsts[kept], self.lasts[kept], self.slots[kept], self.documents[kept])

    def and_also(self, other: Chains) -> Chains:
        """These and others."""
        return Chains(
            np.concatenate([self.firsts, other.firsts]),
            np.concatenate([self.lasts, other.lasts]),
            np.concatenate([self.slots, other.slots]),
            np.concatenate([self.documents, other.documents]),
        )

    def links(self, length: int) -> NDArray[np.bool_]:
        """For each place of the text, whether a chain goes on from the seed there."""
        counts = (self.lasts - self.firsts) // STRIDE
        before = np.cumsum(counts) - counts
        steps = np.arange(int(counts.sum())) - np.repeat(before, counts)
        linked = np.zeros(length, np.bool_)
        linked[np.repeat(self.firsts, counts) + STRIDE * steps] = True
        return linked


class Matches:
    """The seeds that a text and a segment have in common.

    Attributes:
        crowded: For each place found, whether its seed has more entries than are followed.
    """

    def __init__(self, held: OpenSegment, found: Found, length: int) -> None:
        self._held, self._segment, self._found = held, held.segment, found
        self._counts = found.high - found.low
        wanted = MATCHES // max(1, len(found.places))
        self._cap = max(LEAST_FOLLOWED, min(FOLLOWED, wanted))
        self.crowded = self._counts > self._cap
        self._length = length
        # The number of the match at each place, with room for steps beyond either end.
        self._numbers = np.full(length + 2 * STRIDE, -1, np.int64)
        self._numbers[found.places + STRIDE] = np.arange(len(found.places))

    def sizes(self) -> Numbers:
        """At each place of the text, how many entries its seed has."""
        sizes = np.zeros(self._length, np.int64)
        sizes[self._found.places] = self._counts
        return sizes

    def chains(self) -> Chains:
        """Every match of a document that counts, alone or in a chain."""
        plain = np.flatnonzero(~self.crowded)
        numbers, entries = _spread(plain, self._found.low[plain], self._counts[plain])
        if len(plain) < len(self.crowded):
            others, more = self._followed(np.flatnonzero(self.crowded))
            numbers, entries = np.concatenate([numbers, others]), np.concatenate([entries, more])
        chains = self._chained(self._found.places[numbers], self._segment.slots(entries))
        return self._extended(chains) if self.crowded.any() else chains

    def missed(self, chains: Chains) -> Chains:
        """Chains of two crowded seeds whose common documents are not among those followed."""
        linked = chains.links(self._length)
        following = self._numbers[self._found.places + 2 * STRIDE]
        open_ = self.crowded & (following >= 0) & ~linked[self._found.places]
        open_[open_] = self.crowded[following[open_]]
        places: list[Numbers] = []
        slots: list[Numbers] = []
        left = SEARCHED
        for number in np.flatnonzero(open_).tolist():
            if left <= 0:
                break
            common = self._common(number, int(following[number]), left)
            left -= int(min(self._counts[number], self._counts[following[number]]))
            places.append(np.full(len(common), self._found.places[number]))
            slots.append(common)
        if not places:
            return chains.only(np.zeros(len(chains.firsts), np.bool_))
        first, slot = np.concatenate(places), np.concatenate(slots)
        documents = self._segment.documents.at(slot)
        kept = self._held.counts(documents)
        pairs = Chains(first, first + STRIDE, slot, documents).only(kept)
        return self._extended(pairs)

    def _common(self, one: int, two: int, most: int) -> Numbers:
        """Slots of the first seed whose next slot has the second; of the first few that count."""
        low, high = self._found.low, self._found.high
        fewer, step = (one, 0) if self._counts[one] <= self._counts[two] else (two, 1)
        entries = np.arange(low[fewer], min(high[fewer], low[fewer] + most))
        slots = self._segment.slots(entries) - step
        slots = slots[self._held.counts(self._segment.documents.at(np.maximum(slots, 0)))]
        other, shift = (two, 1) if fewer == one else (one, 0)
        there = self._has(np.full(len(slots), other), slots + shift)
        return slots[there & (slots >= 0)][: self._cap]

    def _followed(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Entries of crowded seeds: the first few of each label, for the documents of a label
        stand together and so do their entries.
        """
        found, documents = self._found, self._segment.documents
        at, high, keys = found.low[numbers], found.high[numbers], found.keys[numbers]
        ends = documents.starts.take(documents.label_firsts).astype(np.uint64)
        taken: list[Numbers] = []
        places: list[Numbers] = []
        for _ in range(min(LABELS, len(documents.labels))):
            slots = self._segment.slots(at)
            label = documents.label_numbers(documents.at(slots))
            after = self._segment.first_from(keys | ends[label + 1], at, high)
            these, first_few = _spread(numbers, at, np.minimum(after - at, self._cap))
            taken.append(these)
            places.append(first_few)
            more = after < high
            numbers, at, high, keys = numbers[more], after[more], high[more], keys[more]
            if not len(at):
                break
        return np.concatenate(taken), np.concatenate(places)

    def _chained(self, places: Numbers, slots: Numbers) -> Chains:
        # One sort brings the matches of a diagonal together, in order of their places.
        order_key = ((slots * STRIDE - places + self._length) << _PLACE_BITS) | places
        order = np.argsort(order_key)
        places, slots, order_key = places[order], slots[order], order_key[order]
        begins = np.flatnonzero(np.diff(order_key, prepend=-1) != STRIDE)
        lasts = np.append(begins[1:], len(places)) - 1 if len(begins) else begins
        documents = self._segment.documents.at(slots[begins])
        chains = Chains(places[begins], places[lasts], slots[begins], documents)
        return chains.only(self._held.counts(documents))

    def _extended(self, chains: Chains) -> Chains:
        """The same chains, as far as they go on into crowded seeds."""
        firsts, lasts, slots = chains.firsts.copy(), chains.lasts.copy(), chains.slots.copy()
        ends = slots + (lasts - firsts) // STRIDE  # the slots of their last seeds
        ahead = behind = np.arange(len(firsts))
        left = SEARCHED
        for _ in range(EXTENDED):
            left -= len(ahead) + len(behind)
            if left < 0:
                break
            ahead = ahead[self._crowd_has(lasts[ahead] + STRIDE, ends[ahead] + 1)]
            lasts[ahead] += STRIDE
            ends[ahead] += 1
            behind = behind[self._crowd_has(firsts[behind] - STRIDE, slots[behind] - 1)]
            firsts[behind] -= STRIDE
            slots[behind] -= 1
            if not len(ahead) and not len(behind):
                break
        return Chains(firsts, lasts, slots, chains.documents)

    def _crowd_has(self, places: Numbers, slots: Numbers) -> NDArray[np.bool_]:
        """Where the seed at a place is crowded and has an entry at a slot."""
        numbers = self._numbers[places + STRIDE]
        there = (numbers >= 0) & (slots >= 0)
        there[there] = self.crowded[numbers[there]]
        there[there] = self._has(numbers[there], slots[there])
        return there

    def _has(self, numbers: Numbers, slots: Numbers) -> NDArray[np.bool_]:
        """Whether the seeds of these matches have entries at these slots."""
        keys = self._found.keys[numbers] | slots.astype(np.uint64)
        high = self._found.high[numbers]
        at = self._segment.first_from(keys, self._found.low[numbers], high)
        there = at < high
        there[there] = self._segment.entries.take(at[there]) == keys[there]
        return there


def _spread(numbers: Numbers, low: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """Each number as often as its count, with the places from its ``low`` on."""
    before = np.cumsum(counts) - counts
    places = np.repeat(low - before, counts) + np.arange(int(counts.sum()))
    return np.repeat(numbers, counts), places
