"""Chain: decisions one after the other, each linked to the one before; appended, sealed, gone on.

One writer has one chain, called by the id of the key that seals it. What is appended is one
insert, so that a crash leaves all of it or nothing; what was appended and not sealed is read
again, and must still link to the last sealed head.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ragtrace.errors import StoreError
from ragtrace.store import _chain_sql as sql
from ragtrace.store._access import OWNER
from ragtrace.store._commitments import Commitments
from ragtrace.store._entries import (
    NO_FLOWS,
    Entry,
    FlowsOf,
    Head,
    Link,
    body_of,
    entry_hash,
    renamed,
)
from ragtrace.store._rows import DecisionRow
from ragtrace.store._seal_key import SealKey, verifies

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = ["Chain", "ChainBrokenError", "Decided", "commitments", "period_of", "unchained"]

Decided = tuple[int, str, str]
"""Which decision: when, in nanoseconds, its trace and its span."""

AT_ONCE: Final = 2_000
"""Decisions of one insert: a server takes the ids of so many in an address."""
READ_AT_ONCE: Final = 20_000
"""Entries read at once, some 20 MB."""


class ChainBrokenError(StoreError):
    """What is stored of a chain is not what was appended to it."""


class Chain:
    """The chain of one writer over one store; safe to use from several threads.

    Args:
        store: Holds the decisions, and the chain.
        key: Seals it, and gives it its id.
        clock: Nanoseconds since the epoch.

    Raises:
        ChainBrokenError: What is there does not link to the last sealed head.
        StoreError: It cannot be read.
    """

    def __init__(self, store: Store, key: SealKey, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self.key: Final = key
        self._clock = clock
        self._lock = threading.Lock()
        self._names = commitments(store, key)
        self.id: Final = key.id
        self._sealed = self._last_head()
        self._last = self._sealed
        self._come_up()

    @property
    def last(self) -> Link:
        """How far it has come."""
        return self._last

    @property
    def unsealed(self) -> int:
        """How many entries no head covers yet."""
        return self._last.seq - self._sealed.seq

    def append(self, decided: Sequence[Decided]) -> int:
        """Link these decisions as they are stored now; one that is linked as it is adds nothing.

        Returns:
            How many entries were added.

        Raises:
            ChainBrokenError: Somebody else has changed the chain, or writes to it.
            StoreError: Some may be there and some not; doing it again is safe.
        """
        added = 0
        ordered = sorted(set(decided))
        with self._lock:
            for start in range(0, len(ordered), AT_ONCE):
                added += self._append(ordered[start : start + AT_ONCE])
        return added

    def missing(self) -> Iterator[list[Decided]]:
        """Decisions that have no entry in any chain, a batch at a time; to be appended.

        Raises:
            StoreError: The store cannot be read.
        """
        return unchained(self._store)

    def catch_up(self, told: Callable[[int], None] = lambda _: None) -> int:
        """Link every decision that has no entry in any chain; give how many there were.

        Args:
            told: Told after each batch how many there were so far.

        Raises:
            StoreError: As ``append``.
        """
        added = 0
        for batch in self.missing():
            added += self.append(batch)
            told(added)
        return added

    def seal(self) -> Head | None:
        """Sign how far it has come, where that is further than the last head.

        Raises:
            StoreError: It may not be stored; doing it again is safe.
        """
        with self._lock:
            self._come_up()
            if self._last == self._sealed:
                return None
            head = Head(
                self.id, self._last.seq, self._last.hash, self._clock(), self.key.public.hex()
            )
            head = Head(**{**head.as_json(), "signature": self.key.sign(head.signed()).hex()})
            self._insert(sql.head_insert(head))
            self._sealed = self._last
            return head

    def _append(self, decided: Sequence[Decided]) -> int:
        self._come_up()
        period = period_of(decided)
        rows = [DecisionRow(*row) for row in self._ask(sql.DECISIONS, period)]
        users = [("user", row.user) for row in rows]
        self._names.meet([*users, *(("session", row.session) for row in rows)])
        flows = self._flows(period)
        known = self._known(period)
        shredded = self._shredded()
        made: list[Entry] = []
        last = self._last
        for row in rows:
            name = (row.time_ns, row.trace_id, row.span_id)
            body = body_of(row, flows.get(name, NO_FLOWS), self._names)
            before = known.get(name)
            if before is not None and {row.user, row.session} & shredded:
                body = renamed(body, before.body, row, shredded)
            if before is None or before.body != body:
                supersedes = before.hash if before is not None else ""
                made.append(self._entry(row, last, body, supersedes))
                last = made[-1].link
        if made:
            self._insert(sql.entry_insert(made))
            self._last = last
        return len(made)

    def _entry(self, row: DecisionRow, before: Link, body: str, supersedes: str) -> Entry:
        return Entry(
            chain=self.id,
            seq=before.seq + 1,
            hash=entry_hash(self.id, before.seq + 1, before.hash, body, supersedes),
            time_ns=row.time_ns,
            trace_id=row.trace_id,
            span_id=row.span_id,
            tenant=row.tenant,
            key=self._names.id,
            supersedes=supersedes,
            body=body,
        )

    def _flows(self, period: Mapping[str, Any]) -> dict[Decided, FlowsOf]:
        found = (FlowsOf(*row) for row in self._ask(sql.FLOWS, period))
        return {(one.time_ns, one.trace_id, one.span_id): one for one in found}

    def _shredded(self) -> set[str]:
        """What stands in rows in the place of names that were shredded."""
        return {f"shredded-{name}" for (name,) in self._ask(sql.SHREDS, {})}

    def _known(self, period: Mapping[str, Any]) -> dict[Decided, Entry]:
        """The latest entry of each: of this chain, where it has one, else of another."""
        found: dict[Decided, Entry] = {}
        for row in self._ask(sql.ENTRIES, {**period, "key": self._names.id}):
            entry = Entry(*row)
            name = (entry.time_ns, entry.trace_id, entry.span_id)
            if name not in found or entry.chain == self.id or found[name].chain != self.id:
                found[name] = entry
        return found

    def _last_head(self) -> Link:
        heads = [Head(*row) for row in self._ask(sql.LAST_HEAD, {"chain": self.id})]
        if not heads:
            return Link()
        (head,) = heads
        if not verifies(self.key.public, head.signature, head.signed()):
            raise ChainBrokenError(f"chain {self.id}: its last head, at {head.seq}, was not sealed")
        asked = {"chain": self.id, "seq": head.seq - 1, "limit": 1}
        entry = [Entry(*row).link for row in self._ask(sql.BEHIND, asked)]
        if entry != [Link(head.seq, head.hash)]:
            raise ChainBrokenError(
                f"chain {self.id}: sealed up to {head.seq}, and that entry is not there as it was"
            )
        return entry[0]

    def _come_up(self) -> None:
        """Take in what is stored behind the last known entry: after a start, or a failed insert."""
        # The last must still be there: it is read again with what is behind it.
        asked = {"chain": self.id, "seq": max(0, self._last.seq - 1), "limit": READ_AT_ONCE}
        rows = [Entry(*row) for row in self._ask(sql.BEHIND, asked)]
        if self._last.seq:
            if not rows or rows[0].link != self._last:
                raise ChainBrokenError(
                    f"chain {self.id}: entry {self._last.seq} is not there as it was written"
                )
            rows = rows[1:]
        for entry in rows:
            if not entry.follows(self._last):
                raise ChainBrokenError(
                    f"chain {self.id}: entry {entry.seq} does not follow entry {self._last.seq}: "
                    "it was changed, or another server seals with the same key"
                )
            self._last = entry.link
        if len(rows) >= READ_AT_ONCE - 1:
            self._come_up()

    def _insert(self, arguments: dict[str, Any]) -> None:
        with self._store._engine.writing("chain: write") as client:
            client.insert(**arguments)

    def _ask(self, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._store._rows("chain", query, parameters, OWNER)


def commitments(store: Store, key: SealKey | None) -> Commitments:
    """What stands for names in this store: under its vault's key, or without one under ``key``.

    Raises:
        StoreError: There is neither.
    """
    vault = store._vault
    if vault is not None:
        return Commitments(vault.chain_key, vault.pseudonyms)
    if key is None:
        raise StoreError("chain: the store was opened without the vault's key, and none seals it")
    return Commitments(key.secret())


def unchained(store: Store) -> Iterator[list[Decided]]:
    """Decisions that have no entry in any chain, a batch at a time, the oldest days first.

    Who reads on has linked those before: a batch that comes again as it was ends its day.

    Raises:
        StoreError: The store cannot be read.
    """
    for (day,) in store._rows("chain", sql.DAYS, {}, OWNER):
        before: list[Decided] = []
        while True:
            asked = {"day": day, "limit": AT_ONCE}
            found: list[Decided] = [
                (row[0], row[1], row[2])
                for row in store._rows("chain", sql.UNCHAINED, asked, OWNER)
            ]
            if not found or found == before:
                break
            yield found
            before = found


def period_of(decided: Sequence[Decided]) -> dict[str, Any]:
    """Parameters of the statements about some decisions, the earliest first."""
    return {
        "first": decided[0][0],
        "last": decided[-1][0],
        "spans": ",".join({span for _, _, span in decided}),
    }
