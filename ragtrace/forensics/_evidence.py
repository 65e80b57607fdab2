"""Evidence: some traces as one signed file, which proves them and tells no more than it may."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ragtrace.errors import StoreError
from ragtrace.forensics import verify
from ragtrace.forensics._asked import MOST_TRACES, EvidenceAsked
from ragtrace.forensics._blinded import Blinded, decided_of, is_decided, refuse_leaks
from ragtrace.forensics._opened import Opened, open_texts
from ragtrace.forensics._standards import findings, flow_map, prov
from ragtrace.store import (
    Access,
    Chain,
    ChainBrokenError,
    Commitments,
    Decided,
    Entry,
    SealKey,
    Store,
    Stretch,
    Trace,
    TraceNotFoundError,
    commitments,
    entries_of,
    flow_lines,
    stretches,
    traces_of,
)

if TYPE_CHECKING:
    from ragtrace.store import FlowLine

__all__ = ["export_evidence", "signed_by"]

TYPE: Final = "ragtrace/evidence/v1"
Told = Callable[[int, int], None]
"""Told how many traces are read, and of how many."""

_Step = tuple[dict[str, Any], list[dict[str, Any]]]
"""A decision's body, and its flows."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the store has of the traces."""

    traces: tuple[Trace, ...]
    decided: frozenset[Decided]
    lines: Mapping[Decided, Sequence[FlowLine]]
    entries: Sequence[Entry]


def export_evidence(
    store: Store,
    asked: EvidenceAsked,
    key: SealKey,
    *,
    access: Access,
    chain: Chain | None = None,
    clock: Callable[[], int] = time.time_ns,
    told: Told = lambda *_: None,
) -> bytes:
    """Put traces, their decisions in the chain and what may be shown of texts into one bundle.

    Of the same store, question and clock it is the same bytes.

    Args:
        store: Holds them.
        asked: Which, and how much of them.
        key: Signs it; of a store without a vault's key it also stands for the names.
        access: Who asks: nothing is in the bundle that they may not see.
        chain: Links what of the decisions is not linked yet, and is sealed first.
        clock: Nanoseconds since the epoch.
        told: Told how far it is.

    Raises:
        TraceNotFoundError: There is no such trace for who asks.
        StoreError: The store cannot be read, or there is too much.
    """
    if not 0 < len(asked.traces) <= MOST_TRACES:
        raise StoreError(f"evidence: expected 1 to {MOST_TRACES:,} traces")
    names = commitments(store, key)
    read = _read(store, asked, access, names, chain, told)
    blinded = Blinded(names)
    trees: dict[str, Any] = {
        f"traces/{trace.trace_id}.json": blinded.trace(trace, read.lines) for trace in read.traces
    }
    found = list(stretches(store, read.entries))
    files = {_name(one): _segment(one, read.entries) for one in found}
    bodies = _bodies(found, read.entries)
    flows = [flow for trace in read.traces for flow in trace.flows]
    opened = open_texts(store, access, blinded.texts, flows, asked.levels, names)
    steps = _steps(trees, bodies)
    trees |= {"prov.json": prov(steps), "map.json": flow_map(steps)}
    trees["findings.ocsf.json"] = findings(steps)
    trees["texts.json"] = list(opened.texts)
    if asked.policy is not None:
        files["policy.yaml"] = asked.policy.text.encode()
    files["TLP.txt"] = f"TLP:{asked.tlp.upper()}\n".encode()
    plain = {name: data.decode() for name, data in files.items()}
    refuse_leaks(trees | plain, blinded.texts.keys() - opened.shown)
    files |= {name: _json(tree) for name, tree in trees.items()}
    manifest = _manifest(asked, read, steps, bodies, opened, clock())
    return _signed(_with_manifest(files, manifest), found, key)


def _steps(
    trees: Mapping[str, Any], bodies: Mapping[tuple[str, str, str], dict[str, Any]]
) -> list[_Step]:
    """The decisions of the traces that are in the chain, each with its flows."""
    return [
        (bodies[at], step["flows"])
        for _, tree in sorted(trees.items())
        for step in tree["decisions"]
        if (at := (step["time"], tree["trace"], step["span"])) in bodies
    ]


def signed_by(bundle: bytes, key: SealKey) -> bytes:
    """Sign a bundle with another key in the place of the one that signed it.

    Raises:
        StoreError: It is no bundle.
    """
    files = verify.read_files(bundle)
    try:
        envelope = json.loads(files.pop(verify.ENVELOPE))
        payload = base64.b64decode(envelope["payload"], validate=True)
    except (KeyError, ValueError, TypeError):
        raise StoreError("evidence: expected a bundle") from None
    return verify.archive({**files, verify.ENVELOPE: _envelope(payload, key)})


def _read(
    store: Store,
    asked: EvidenceAsked,
    access: Access,
    names: Commitments,
    chain: Chain | None,
    told: Told,
) -> _Read:
    wanted = sorted(set(asked.traces))
    traces: list[Trace] = []
    for trace in traces_of(store, wanted, access):
        traces.append(trace)
        told(len(traces), len(wanted))
    lacking = set(wanted) - {trace.trace_id for trace in traces}
    if lacking:
        raise TraceNotFoundError(f"no trace has the id {min(lacking)}")
    spans = [span for trace in traces for span in trace.spans]
    decided = frozenset(decided_of(span) for span in spans if is_decided(span))
    if chain is not None:
        with suppress(ChainBrokenError):  # what is there is exported, and does not verify
            chain.append([*decided])
            chain.seal()
    seen = {(flow.time_ns, flow.trace_id, flow.span_id) for t in traces for flow in t.flows}
    lines = flow_lines(store, [*decided | seen], access) if decided or seen else {}
    entries = entries_of(store, [trace.trace_id for trace in traces], access)
    if not store.keeps_text and any(entry.key != names.id for entry in entries):
        raise StoreError(
            "evidence: these decisions were linked under the vault's key, and the store was opened "
            "without it: expected RAGTRACE_VAULT_KEY or RAGTRACE_VAULT_KEY_FILE"
        )
    return _Read(tuple(traces), decided, lines, entries)


def _name(stretch: Stretch) -> str:
    return f"chain/{stretch.chain}-{stretch.after.seq + 1:012}.jsonl"


def _segment(stretch: Stretch, entries: Iterable[Entry]) -> bytes:
    """A stretch as lines: what it follows and its heads, then entries, ours with their decision."""
    ours = {one.seq: one for one in entries if one.chain == stretch.chain}
    begin = {
        "chain": stretch.chain,
        "after": {"seq": stretch.after.seq, "hash": stretch.after.hash},
        "heads": [
            {
                "seq": head.seq,
                "hash": head.hash,
                "time": str(head.sealed_ns),
                "public_key": head.public_key,
                "signature": head.signature,
            }
            for head in stretch.heads
        ],
    }
    lines = [begin]
    for stub in stretch.stubs:
        said: dict[str, Any] = {
            "seq": stub.seq,
            "hash": stub.hash,
            "body": stub.body,
            "supersedes": stub.supersedes,
        }
        if stub.seq in ours and ours[stub.seq].hash == stub.hash:
            said["decision"] = ours[stub.seq].body
        lines.append(said)
    return b"".join(verify.canonical(line) + b"\n" for line in lines)


def _bodies(
    found: Iterable[Stretch], entries: Sequence[Entry]
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The decision that counts of each step, as the verifier takes it: the last entry of it."""
    ours = {(one.chain, one.seq): one for one in entries}
    bodies = {}
    for stretch in sorted(found, key=_name):
        for stub in stretch.stubs:
            entry = ours.get((stretch.chain, stub.seq))
            if entry is not None:
                body = json.loads(entry.body)
                bodies[body["time"], body["trace"], body["span"]] = body
    return bodies


def _manifest(
    asked: EvidenceAsked,
    read: _Read,
    steps: Sequence[_Step],
    bodies: Mapping[tuple[str, str, str], dict[str, Any]],
    opened: Opened,
    now: int,
) -> dict[str, Any]:
    keys = {(str(time_ns), trace, span) for time_ns, trace, span in read.decided}
    changed = [
        [body["time"], body["trace"], body["span"]]
        for body, flows in steps
        if body["flows"] != verify.flows_of(flows)
    ]
    policy = asked.policy
    return {
        "type": TYPE,
        "made": str(now),
        "tlp": f"TLP:{asked.tlp.upper()}",
        "why": asked.why,
        "clearance": asked.clearance,
        "levels": list(asked.levels),
        "traces": [trace.trace_id for trace in read.traces],
        "decisions": sorted([*key] for key in keys & bodies.keys()),
        "unchained": sorted([*key] for key in keys - bodies.keys()),
        "changed_since": sorted(changed),
        "missing": list(opened.missing),
        "policies": sorted({body["policy"] for body in bodies.values()} - {""}),
        "policy": policy
        and {
            "digest": policy.digest,
            "file": "policy.yaml",
            "files": [{"sha256": one} for one in policy.files],
        },
    }


def _with_manifest(files: dict[str, bytes], manifest: dict[str, Any]) -> dict[str, bytes]:
    listed = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    return {**files, verify.MANIFEST: _json({**manifest, "files": listed})}


def _signed(files: dict[str, bytes], found: Iterable[Stretch], key: SealKey) -> bytes:
    """An in-toto statement over the files, in a DSSE envelope beside them."""
    statement = {
        "_type": verify.STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
            for name, data in sorted(files.items())
        ],
        "predicateType": verify.PREDICATE_TYPE,
        "predicate": {"chains": sorted({one.chain for one in found})},
    }
    envelope = _envelope(verify.canonical(statement), key)
    return verify.archive({**files, verify.ENVELOPE: envelope})


def _envelope(payload: bytes, key: SealKey) -> bytes:
    signature = {
        "keyid": key.id,
        "public": key.public.hex(),
        "sig": base64.b64encode(key.sign(verify.encoded(payload))).decode(),
    }
    return verify.canonical(
        {
            "payloadType": verify.PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [signature],
        }
    )


def _json(tree: Any) -> bytes:
    # In ASCII, for a text may hold half a character, which has no UTF-8.
    return (json.dumps(tree, indent=1, sort_keys=True) + "\n").encode()
