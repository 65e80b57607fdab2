"""Entries: a decision as one link of a chain, and the hashes that make it one. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from ragtrace.store._canonical import as_bytes, canonical, quoted
from ragtrace.store._commitments import Commitments
from ragtrace.store._rows import DecisionRow, Row

__all__ = [
    "NO_FLOWS",
    "Entry",
    "FlowsOf",
    "Head",
    "Link",
    "body_of",
    "entry_hash",
    "flows_digest",
    "renamed",
]

BODY: Final = "ragtrace/decision/v1"
HEAD: Final = "ragtrace/head/v1"


@dataclass(frozen=True, slots=True)
class Link:
    """How far a chain has come: the number of its last entry and that entry's hash.

    Attributes:
        seq: 0 before the first entry, whose number is 1.
    """

    seq: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True)
class FlowsOf(Row):
    """The flows of one decision, as far as its digest needs them.

    Attributes:
        lines: SHA-256 of the flows' lines, each ended by a line feed: what was judged, in JSON,
            without digests of texts and names of readers.
        texts: Digests of the texts, one for each flow.
        readers: Names of the readers of all flows; each line says how many are its.
    """

    time_ns: int
    trace_id: str
    span_id: str
    lines: str
    texts: tuple[str, ...]
    readers: tuple[str, ...]


NO_FLOWS: Final = FlowsOf(0, "", "", hashlib.sha256().hexdigest(), (), ())
"""Of a decision that was about nothing that was retrieved."""


@dataclass(frozen=True, slots=True)
class Entry(Row):
    """One decision in a chain.

    Attributes:
        chain: Id of the chain, which is that of the key that seals it.
        seq: From 1 on.
        hash: SHA-256 over chain, seq, the hash before, the body's, and ``supersedes``.
        time_ns: Of the decision, nanoseconds since the epoch.
        key: Names the key of the commitments in the body.
        supersedes: Hash of the entry of the same decision as it was told before; empty for the
            first.
        body: The decision in canonical JSON.
    """

    chain: str
    seq: int
    hash: str
    time_ns: int
    trace_id: str
    span_id: str
    tenant: str
    key: str
    supersedes: str
    body: str

    def follows(self, before: Link) -> bool:
        """Whether this is what comes behind ``before``, unchanged."""
        made = entry_hash(self.chain, self.seq, before.hash, self.body, self.supersedes)
        return self.seq == before.seq + 1 and self.hash == made

    @property
    def link(self) -> Link:
        """What the next entry refers to."""
        return Link(self.seq, self.hash)


@dataclass(frozen=True, slots=True)
class Head(Row):
    """A signed word on how far a chain had come, and when.

    Attributes:
        sealed_ns: Nanoseconds since the epoch, by the clock of who sealed it.
        public_key: 32 bytes in hex; ``chain`` is its id.
        signature: Ed25519 over the rest in canonical JSON, in hex.
    """

    chain: str
    seq: int
    hash: str
    sealed_ns: int
    public_key: str
    signature: str = ""

    def signed(self) -> bytes:
        """What the signature is of."""
        return canonical(
            {
                "type": HEAD,
                "chain": self.chain,
                "seq": self.seq,
                "hash": self.hash,
                "time": str(self.sealed_ns),
                "key": self.public_key,
            }
        )


def entry_hash(chain: str, seq: int, before: str, body: str, supersedes: str) -> str:
    """The hash that the next entry refers to."""
    of_body = hashlib.sha256(body.encode()).hexdigest()
    written = (
        f'{{"body":"{of_body}","chain":{quoted(chain)},"prev":{quoted(before)},'
        f'"seq":{seq},"supersedes":{quoted(supersedes)}}}'
    )
    return hashlib.sha256(as_bytes(written)).hexdigest()


def body_of(row: DecisionRow, flows: FlowsOf, names: Commitments) -> str:
    """A decision in canonical JSON: names of people, reasons and digests of texts as commitments.

    Args:
        row: The decision.
        flows: What it was about.
        names: Makes the commitments.
    """
    # Put together here, keys in their order: an encoder takes five times as long.
    written = (
        f'{{"action":{quoted(row.action)},"audience":{quoted(row.audience)},'
        f'"clearance":{quoted(row.clearance)},'
        f'"completion":"{names.once("text", row.completion_digest)}",'
        f'"flows":{{"count":{len(flows.texts)},"digest":"{flows_digest(flows, names)}"}},'
        f'"key":{quoted(names.id)},"mode":{quoted(row.mode)},"policy":{quoted(row.policy)},'
        f'"prompt":"{names.once("text", row.prompt_digest)}",'
        f'"prompt_level":{quoted(row.prompt_level)},'
        f'"reason":"{names.of("reason", row.reason)}","request":{quoted(row.request_id)},'
        f'"rule":{quoted(row.rule)},"service":{quoted(row.service)},'
        f'"session":"{names.of("session", row.session)}","span":{quoted(row.span_id)},'
        f'"stage":{quoted(row.stage)},"tenant":{quoted(row.tenant)},"time":"{row.time_ns}",'
        f'"trace":{quoted(row.trace_id)},"type":"{BODY}","user":"{names.of("user", row.user)}"}}'
    )
    return as_bytes(written).decode()


def renamed(body: str, before: str, row: DecisionRow, shredded: AbstractSet[str]) -> str:
    """A body with what stood for names before these were shredded: that is no other decision."""
    said, old = json.loads(body), json.loads(before)
    for name, value in (("user", row.user), ("session", row.session)):
        if value in shredded:
            said[name] = old[name]
    return canonical(said).decode()


def flows_digest(flows: FlowsOf, names: Commitments) -> str:
    """The SHA-256 over the flows' lines, and over what stands for their texts and readers."""
    texts = ",".join([f'"{names.of("text", one)}"' for one in flows.texts])
    readers = ",".join([f'"{names.of("reader", one)}"' for one in flows.readers])
    written = f"[{quoted(flows.lines)},[{texts}],[{readers}]]"
    return hashlib.sha256(as_bytes(written)).hexdigest()
