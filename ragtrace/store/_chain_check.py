"""Check of the chains: every entry linked to the one before, every head signed and met."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ragtrace.store import _chain_sql as sql
from ragtrace.store._access import OWNER
from ragtrace.store._chain import READ_AT_ONCE
from ragtrace.store._entries import Entry, Head, Link
from ragtrace.store._rows import Row
from ragtrace.store._seal_key import key_id, verifies

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = ["ChainState", "check_chains", "count_unchained"]

MOST_FAULTS: Final = 20
"""Faults of a chain that are told; behind so many, more say nothing new."""

Told = Callable[[str, int, int], None]
"""Told the chain, how many entries were read, and of how many."""


@dataclass(frozen=True, slots=True)
class ChainState(Row):
    """One chain, and what is wrong with it.

    Attributes:
        entries: How many there are.
        sealed: Number of the last entry that a head covers; 0 for none.
        sealed_ns: When that was sealed, nanoseconds since the epoch.
        faults: Each in a sentence, the first ones; empty for a chain that is whole.
    """

    chain: str
    entries: int
    sealed: int
    sealed_ns: int
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {**Row.as_json(self), "faults": list(self.faults)}


def check_chains(store: Store, told: Told = lambda *_: None) -> list[ChainState]:
    """Read every chain from its beginning to its end, and say what is wrong.

    Args:
        store: Holds them.
        told: Told how far it is.

    Raises:
        StoreError: The store cannot be read.
    """
    lengths = store._rows("chain", sql.LENGTHS, {}, OWNER)
    return [_check(store, str(chain), int(count), told) for chain, count in lengths]


def count_unchained(store: Store) -> int:
    """Count the decisions that have no entry in any chain.

    Raises:
        StoreError: The store cannot be read.
    """
    days = store._rows("chain", sql.DAYS, {}, OWNER)
    counts = (store._rows("chain", sql.COUNT_UNCHAINED, {"day": day}, OWNER) for (day,) in days)
    return sum(int(rows[0][0]) for rows in counts)


def _check(store: Store, chain: str, length: int, told: Told) -> ChainState:
    faults: list[str] = []
    last, read = Link(), 0
    sealed, sealed_ns = 0, 0
    heads = _each(store, sql.HEADS, chain, Head)
    head = next(heads, None)
    for entry in _each(store, sql.BEHIND, chain, Entry):
        read += 1
        if not entry.follows(last):
            faults.append(_broken(entry, last))
        last = entry.link
        while head is not None and head.seq <= entry.seq:
            fault = _of_head(head, entry)
            if fault is None:
                sealed, sealed_ns = head.seq, head.sealed_ns
            else:
                faults.append(fault)
            head = next(heads, None)
        if read % READ_AT_ONCE == 0:
            told(chain, read, length)
    if head is not None:
        faults.append(f"cut off: sealed up to entry {head.seq}, and the last is {last.seq}")
    told(chain, read, length)
    return ChainState(chain, read, sealed, sealed_ns, tuple(faults[:MOST_FAULTS]))


def _broken(entry: Entry, last: Link) -> str:
    if entry.seq == last.seq:
        return f"entry {entry.seq} is there twice, differently"
    if entry.seq != last.seq + 1:
        return f"entries {last.seq + 1} to {entry.seq - 1} are missing"
    return f"entry {entry.seq} was changed, or does not follow entry {last.seq}"


def _of_head(head: Head, entry: Entry) -> str | None:
    if not _is_sealed(head):
        return f"the head at entry {head.seq} was not sealed by the chain's key"
    if (head.seq, head.hash) != (entry.seq, entry.hash):
        return f"entry {head.seq} is not the one that was sealed"
    return None


def _is_sealed(head: Head) -> bool:
    try:
        public = bytes.fromhex(head.public_key)
    except ValueError:
        return False
    return key_id(public) == head.chain and verifies(public, head.signature, head.signed())


def _each(store: Store, query: str, chain: str, kind: Any) -> Iterator[Any]:
    """Rows in order, read in pieces; one number's rows are never in two."""
    seq = 0
    while True:
        asked = {"chain": chain, "seq": seq, "limit": READ_AT_ONCE}
        rows = [kind(*row) for row in store._rows("chain", query, asked, OWNER)]
        whole = len(rows) < READ_AT_ONCE
        if not whole and rows[0].seq != rows[-1].seq:
            rows = [row for row in rows if row.seq != rows[-1].seq]
        yield from rows
        if whole:
            return
        seq = rows[-1].seq
