"""Seeds: where k-grams of chunks stand, looked up for every place of a prompt at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._fold import Places
from ragtrace.attribution._kgrams import Hashes

__all__ = ["Seeds"]

_SMALLEST: Final = 12
"""Bits of the smallest table: 4,096 slots."""

_ROOM: Final = 1
"""Bits by which slots outnumber seeds, at least: two to one, so that few hashes share a slot."""

_MARKS: Final = 3
"""Bits by which marks outnumber slots: of the places of an unrelated prompt one in 16 or fewer
find a mark, one in 2,000 that of their own hash, and those of 250,000 seeds, a byte each, still fit
into a processor's cache."""

_MARKED: Final = np.uint8(0x80)
"""A mark has this bit and the last seven of a hash: they are not among those that it stands at."""

_ANY: Final = np.uint8(0xFF)
"""The mark where several hashes stand."""

_WAITING: Final = 16_384
"""Seeds that wait to be linked: sixty-four texts of 1 KB, which are linked together in twice the
time of sixteen of them. So many are looked through in 2 us where a mark is met."""

_SINGLY: Final = 8
"""Hashes up to which it is quicker to look for each by itself."""

_Number = TypeVar("_Number", bound=np.generic)

_NONE: Final = -1
_NOWHERE: Final[Places] = np.zeros(0, np.int64)


class Seeds:
    """A hash table of seeds, with every seed of the same hash listed behind the first.

    A slot names the first of the seeds whose hash begins with its number; ``_next`` leads to
    one with another hash in the same slot, ``_same`` to one with the same hash. Adding and
    finding are array operations: what takes steps is how often one seed stands in the chunks.

    What is added is only marked; it is linked once one of its hashes is looked for, or when enough
    wait. Most of what a model says is never met again.

    Attributes:
        places: Where each seed stands, with room for more at the end.
        owners: The chunk that it is of, likewise.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint32)
        self._next = np.zeros(0, np.int32)
        self._same = np.zeros(0, np.int32)
        self._copies = np.zeros(0, np.int32)  # for the first of a hash: how many there are
        self.places = np.zeros(0, np.int64)
        self.owners = np.zeros(0, np.int64)
        self._size = self._linked = 0
        self._torn = False  # whether linking was broken off
        self._clear(_SMALLEST)

    def _clear(self, bits: int) -> None:
        self._bits = bits
        self._slots = np.full(1 << bits, _NONE, np.int32)
        self._first = np.zeros(1 << bits, np.uint32)  # the hash of the seed that a slot names
        self._shared = np.zeros(1 << bits, np.bool_)  # whether others come behind it
        self._marks = np.zeros(1 << bits + _MARKS, np.uint8)

    def __len__(self) -> int:
        return self._size

    def add(self, hashes: Hashes, places: Places, owners: Places) -> None:
        """Add seeds: their hashes, where they stand, and which chunk each is of."""
        first, size = self._size, self._size + len(hashes)
        self._reserve(size)
        self._hashes[first:size] = hashes
        self.places[first:size], self.owners[first:size] = places, owners
        self._size = size
        if size << _ROOM > len(self._slots):
            self._link_waiting((size << _ROOM).bit_length())
        elif size - self._linked > _WAITING:
            self._link_waiting()
        else:
            self._mark(hashes)

    def find(self, hashes: Hashes) -> tuple[Places, Places, Places]:
        """Which of ``hashes`` are seeds: their indices, the first seed each, and its copies."""
        if self._torn:
            self._link_waiting(self._bits)
        here = self._marked(hashes)
        if not len(here):  # an unrelated text, for which a dozen steps over nothing would be most
            return _NOWHERE, _NOWHERE, _NOWHERE
        wanted = hashes.take(here)
        slots = wanted >> np.uint32(32 - self._bits)
        if self._linked < self._size and self._waits(wanted):
            self._link_waiting()
        if len(here) <= _SINGLY:
            return self._found_singly(here, wanted)
        right = self._first.take(slots) == wanted
        hit, rest = right.nonzero()[0], (self._shared.take(slots) & ~right).nonzero()[0]
        at, found = [here.take(hit)], [self._slots.take(slots.take(hit))]
        if not len(rest):
            heads = found[0].astype(np.int64)
            return at[0], heads, self._copies.take(heads).astype(np.int64)
        here, wanted = here.take(rest), wanted.take(rest)
        seeds = self._next.take(self._slots.take(slots.take(rest)))
        while len(here):
            right = self._hashes.take(seeds) == wanted
            at.append(here[right])
            found.append(seeds[right])
            seeds = self._next.take(seeds)
            left = ((seeds >= 0) & ~right).nonzero()[0]
            here, wanted, seeds = here[left], wanted[left], seeds[left]
        heads = _joined(found)
        return _joined(at), heads, self._copies.take(heads).astype(np.int64)

    def holds_any(self, hashes: Hashes) -> bool:
        """Whether any of ``hashes`` is a seed; nothing is linked for it."""
        if self._torn:
            self._link_waiting(self._bits)
        wanted = hashes.take(self._marked(hashes)).tolist()
        if not wanted:
            return False
        waiting = self._hashes[self._linked : self._size]
        return any([self._head(one) >= 0 or bool((waiting == one).any()) for one in wanted])

    def _marked(self, hashes: Hashes) -> Places:
        """Where ``hashes`` have a mark that may be theirs."""
        there = self._marks.take(hashes >> np.uint32(32 - self._bits - _MARKS))
        own = hashes.astype(np.uint8)
        own |= _MARKED
        places: Places = ((there == own) | (there == _ANY)).nonzero()[0]
        return places

    def _found_singly(self, here: Places, wanted: Hashes) -> tuple[Places, Places, Places]:
        """The same for a few, at the indices ``here``, each by itself."""
        heads = [self._head(hashed) for hashed in wanted.tolist()]
        found = [(at, head) for at, head in zip(here.tolist(), heads, strict=True) if head >= 0]
        if not found:
            return _NOWHERE, _NOWHERE, _NOWHERE
        first = np.array([head for _, head in found], np.int64)
        return np.array([at for at, _ in found]), first, self._copies.take(first).astype(np.int64)

    def _head(self, hashed: int) -> int:
        """The first seed of a hash; -1 if there is none."""
        seed = int(self._slots[hashed >> (32 - self._bits)])
        while seed >= 0 and self._hashes[seed] != hashed:
            seed = int(self._next[seed])
        return seed

    def _mark(self, hashes: Hashes) -> None:
        """Mark where the seeds of these hashes stand, or will."""
        places = (hashes >> np.uint32(32 - self._bits - _MARKS)).astype(np.intp)
        own = hashes.astype(np.uint8)
        own |= _MARKED
        there = self._marks.take(places)
        own[(there != own) & there.astype(np.bool_)] = _ANY
        self._marks[places] = own
        twice = self._marks.take(places) != own
        if twice.any():  # two of them at one place
            self._marks[places[twice]] = _ANY

    def _waits(self, hashes: Hashes) -> bool:
        """Whether seeds of any of these hashes wait to be linked."""
        waiting = self._hashes[self._linked : self._size]
        if len(hashes) > _SINGLY:
            return bool(np.isin(hashes, waiting).any())
        return any([bool((waiting == one).any()) for one in hashes])

    def expand(self, places: Places, heads: Places, most: int) -> tuple[Places, Places]:
        """Every pair of a place and a seed of its hash; ``most`` seeds for each, newest first."""
        at, found = [places], [heads]
        while most > 1:
            heads = self._same[heads].astype(np.int64)
            more = heads >= 0
            places, heads = places[more], heads[more]
            if not len(places):
                break
            at.append(places)
            found.append(heads)
            most -= 1
        return _joined(at), _joined(found)

    def _reserve(self, size: int) -> None:
        if size <= len(self._hashes):
            return
        more = max(size - len(self._hashes), len(self._hashes))
        columns = (  # all, before any takes its place: there may be no room for the last
            _longer(self._hashes, more),
            _longer(self._next, more),
            _longer(self._same, more),
            _longer(self._copies, more),
            _longer(self.places, more),
            _longer(self.owners, more),
        )
        self._hashes, self._next, self._same, self._copies, self.places, self.owners = columns

    def _link_waiting(self, bits: int | None = None) -> None:
        """Link what waits; with ``bits`` all there is, in tables of that size.

        Where that fails, all is linked anew before anything is looked for.
        """
        try:
            if bits is not None:
                self._torn = False
                self._linked = 0
                self._clear(bits)
            first, self._linked = self._linked, self._size
            self._link(first, self._hashes[first : self._size])
        except BaseException:
            self._torn = True
            raise

    def _link(self, first: int, hashes: Hashes) -> None:
        if not len(hashes):
            return
        # One sort of one number each, hash and then age: numpy sorts numbers ten times as fast as
        # it finds the order of some.
        keys = hashes.astype(np.uint64) << np.uint64(32)
        keys |= np.arange(first, first + len(hashes), dtype=np.uint64)
        keys.sort()
        seeds = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)
        hashes = (keys >> np.uint64(32)).astype(np.uint32)
        new = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        self._same[seeds[:-1]] = seeds[1:]
        last = np.concatenate([new[1:], [len(seeds)]]) - 1
        self._same[seeds[last]] = _NONE
        heads, wanted, copies = seeds[new], hashes[new], last - new + 1
        known = self._known(wanted)
        old, fresh = known >= 0, known < 0
        # Behind the first seed of a hash that is there already.
        self._same[seeds[last[old]]] = self._same[known[old]]
        self._same[known[old]] = heads[old]
        self._copies[known[old]] += copies[old].astype(np.int32)
        self._copies[heads[fresh]] = copies[fresh]
        self._hang(heads[fresh], wanted[fresh])

    def _known(self, hashes: Hashes) -> NDArray[np.int32]:
        found = np.full(len(hashes), _NONE, np.int32)
        places, heads, _ = self.find(hashes)
        found[places] = heads
        return found

    def _hang(self, heads: NDArray[np.int32], hashes: Hashes) -> None:
        """Put seeds of hashes that are new, in ascending order, before the others of their slot."""
        if not len(heads):
            return
        self._mark(hashes)
        slots = (hashes >> np.uint32(32 - self._bits)).astype(np.int64)
        ends = np.ones(len(slots), np.bool_)
        ends[:-1] = slots[1:] != slots[:-1]
        before = self._slots[slots[ends]]
        self._next[heads[:-1]] = heads[1:]
        self._next[heads[ends]] = before
        self._slots[slots[::-1]] = heads[::-1]
        self._first[slots[::-1]] = hashes[::-1]
        self._shared[slots[self._next[heads] >= 0]] = True


def _longer(column: NDArray[_Number], more: int) -> NDArray[_Number]:
    return np.concatenate([column, np.zeros(more, column.dtype)])


def _joined(parts: Sequence[NDArray[np.integer[Any]]]) -> Places:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
