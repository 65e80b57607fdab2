"""Chained: what evidence is made from: entries of some traces, the stretch around them, flows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ragtrace.errors import StoreError
from ragtrace.store import _chain_sql as sql
from ragtrace.store._access import OWNER, Access
from ragtrace.store._chain import AT_ONCE, Decided, period_of
from ragtrace.store._entries import Entry, Head, Link
from ragtrace.store._rows import Row

if TYPE_CHECKING:
    from ragtrace.store._questions import Questions

__all__ = [
    "ChainedStep",
    "FlowLine",
    "Stretch",
    "Stub",
    "chained_steps",
    "entries_of",
    "flow_lines",
    "last_heads",
    "stretches",
]

MOST_STUBS: Final = 1_000_000
"""Entries that one answer holds, some 150 MB of a bundle."""


@dataclass(frozen=True, slots=True)
class FlowLine:
    """A flow as its decision was hashed over it.

    Attributes:
        line: What was judged, in JSON, without digests of texts and names of readers.
        text: Digest of its text.
        readers: Names.
    """

    line: str
    text: str
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stub:
    """An entry without its decision: enough to hold the chain together."""

    seq: int
    hash: str
    body: str
    supersedes: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries of a chain one after the other, from one head to another.

    Attributes:
        after: What the first follows.
        heads: Those at its two ends; of an end that is not sealed there is none.
    """

    chain: str
    after: Link
    stubs: tuple[Stub, ...]
    heads: tuple[Head, ...]


def entries_of(store: Questions, traces: Iterable[str], access: Access) -> list[Entry]:
    """Give the entries of the decisions of some traces, by chain and number.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = sorted(set(traces))
    found: list[Entry] = []
    for start in range(0, len(wanted), AT_ONCE):
        asked = {"traces": wanted[start : start + AT_ONCE]}
        found += (Entry(*row) for row in store._rows("chain", sql.OF_TRACES, asked, access))
    return sorted(found, key=lambda entry: (entry.chain, entry.seq, entry.hash))


@dataclass(frozen=True, slots=True)
class ChainedStep(Row):
    """Where the decision about a step is in a chain.

    Attributes:
        seq: Number of the entry.
        supersedes: Hash of the entry of what was told before; empty for the first.
        sealed_ns: When a head that covers it was signed, nanoseconds since the epoch; 0 where none
            does.
    """

    span_id: str
    chain: str
    seq: int
    hash: str
    supersedes: str
    sealed_ns: int


def chained_steps(store: Questions, trace_id: str, access: Access) -> list[ChainedStep]:
    """Say where the decisions of a trace are in the chains, by chain and number.

    Raises:
        StoreError: The store cannot be read.
    """
    steps = []
    for entry in entries_of(store, [trace_id], access):
        asked = {"chain": entry.chain, "seq": entry.seq}
        heads = [Head(*row) for row in store._rows("chain", sql.HEAD_BEHIND, asked, access)]
        sealed = heads[0].sealed_ns if heads else 0
        said = (entry.span_id, entry.chain, entry.seq, entry.hash, entry.supersedes, sealed)
        steps.append(ChainedStep(*said))
    return steps


def last_heads(store: Questions, access: Access) -> list[Head]:
    """Give the newest head of each chain.

    Raises:
        StoreError: The store cannot be read.
    """
    return [Head(*row) for row in store._rows("chain", sql.LAST_HEADS, {}, access)]


def flow_lines(
    store: Questions, decided: Sequence[Decided], access: Access
) -> dict[Decided, list[FlowLine]]:
    """Give the flows of some decisions, in the order in which their decision counts them.

    Raises:
        StoreError: The store cannot be read.
    """
    found: dict[Decided, list[FlowLine]] = defaultdict(list)
    ordered = sorted(set(decided))
    for start in range(0, len(ordered), AT_ONCE):
        asked = period_of(ordered[start : start + AT_ONCE])
        for row in store._rows("chain", sql.LINES, asked, access):
            found[row[0], row[1], row[2]].append(FlowLine(row[3], row[4], tuple(row[5])))
    return found


def stretches(store: Questions, entries: Iterable[Entry]) -> Iterator[Stretch]:
    """Give the stretches of chains that hold these entries, each from one head to another.

    Of entries of others it gives hashes alone; so whoever may see one entry may see them.

    Raises:
        StoreError: There are too many, or the store cannot be read.
    """
    of_chains: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        of_chains[entry.chain].append(entry.seq)
    left = MOST_STUBS
    for chain, numbers in sorted(of_chains.items()):
        until = 0
        for number in sorted(numbers):
            if number <= until:
                continue
            stretch = _around(store, chain, number, left)
            until = stretch.stubs[-1].seq if stretch.stubs else number
            left -= len(stretch.stubs)
            yield stretch


def _around(store: Questions, chain: str, seq: int, most: int) -> Stretch:
    asked = {"chain": chain, "seq": seq}
    before = [Head(*row) for row in store._rows("chain", sql.HEAD_BEFORE, asked, OWNER)]
    behind = [Head(*row) for row in store._rows("chain", sql.HEAD_BEHIND, asked, OWNER)]
    after = Link(before[0].seq, before[0].hash) if before else Link()
    asked |= {"seq": after.seq, "last": behind[0].seq if behind else 2**63, "limit": most + 1}
    stubs = tuple(Stub(*row) for row in store._rows("chain", sql.STUBS, asked, OWNER))
    if len(stubs) > most:
        raise StoreError(
            f"evidence: more than {MOST_STUBS:,} entries lie around these: expected fewer traces"
        )
    return Stretch(chain, after, stubs, (*before, *behind))
