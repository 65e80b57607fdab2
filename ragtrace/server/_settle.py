"""Settle: a trace of another tracer comes in pieces, to several servers; in the end it is one.

The flows of a trace are a function of the steps that are stored of it. Whoever has stored one
of them derives them again some seconds later from all that is there, and writes what differs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from ragtrace.errors import WireError
from ragtrace.server._adopt import Adopter
from ragtrace.server._beside import Beside
from ragtrace.server._derive import Derived, derive, texts
from ragtrace.server._sighting import Sighting
from ragtrace.server._step import Step, texts_of
from ragtrace.server._window import Known
from ragtrace.store import (
    ITSELF,
    OWNER,
    FlowRow,
    SpanRow,
    Store,
    Trace,
    filed,
    own_steps,
    shared,
    withdraw,
    withdraw_texts,
)
from ragtrace.wire import ContentRecord, Rope, SpanRecord, names

__all__ = ["Settled", "record_of", "rewrite", "settle", "take_back"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A trace whose spans are written anew, and what of it is to be taken back.

    Attributes:
        whole: Whether all of the trace is there, as far as can be told.
        stale: Flows that no longer follow, each with the version up to which it does not.
        too_free: Digests of prompts and answers, each with a level that is too low for it.
    """

    whole: bool
    stale: tuple[tuple[FlowRow, int], ...]
    too_free: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Read:
    """A trace as it is stored, its steps, and what ragtrace told at the same time."""

    trace: Trace
    spans: Sequence[SpanRecord]
    steps: Sequence[Step]
    beside: Beside


def settle(store: Store, adopter: Adopter, trace_ids: Iterable[str]) -> bool:
    """Make the flows of traces those that follow from all that is stored of them.

    Returns:
        Whether all of every trace is there, as far as can be told.

    Raises:
        StoreError: The store cannot be read or written, or has no such trace.
    """
    done = [rewrite(store, adopter, trace_id) for trace_id in trace_ids]
    take_back(store, done)
    return all(one.whole for one in done)


def rewrite(store: Store, adopter: Adopter, trace_id: str) -> Settled:
    """Derive the flows of a trace from all that is stored of it, and write what differs.

    Raises:
        StoreError: The store cannot be read or written, or has no such trace.
    """
    read = _read(store, adopter, store.trace(trace_id, access=OWNER))
    known = Known(spans={span.span_id: Sighting.of(span) for span in read.spans})
    told = derive(adopter.policy, read.steps, len(read.spans), known.who, read.beside)
    # Without the texts of all that was retrieved, or its own, nothing is found anew in a prompt.
    searched = all(step.whole for step in read.steps if step.is_retrieval)
    sure = {s.span.span_id for s in read.steps if s.is_retrieval or (searched and s.whole)}
    told = {name: one for name, one in told.items() if name in sure}
    changed, contents = _changes(read, told)
    there = filed(store, {one.digest for one in contents})
    contents = [one for one in contents if (one.digest, one.level) not in there]
    if changed or contents:
        store.write(changed, contents)
    too_free = _too_free(adopter, read, told)
    if too_free:
        too_free -= shared(store, {digest for digest, _ in too_free}, trace_id)
    return Settled(known.is_whole, tuple(_stale(read, told)), frozenset(too_free))


def take_back(store: Store, settled: Iterable[Settled]) -> None:
    """Take back what no longer follows, of all of these at once.

    Raises:
        StoreError: Some of it may still be there; it is found again where a trace is settled again.
    """
    done = list(settled)
    stale = [flow for one in done for flow in one.stale]
    if stale:
        withdraw(store, stale)
    by_level: dict[str, set[str]] = defaultdict(set)
    for one in done:
        for digest, level in one.too_free:
            by_level[level].add(digest)
    for level, digests in by_level.items():
        withdraw_texts(store, sorted(digests), level)


def record_of(row: SpanRow) -> SpanRecord:
    """A stored span, as it would arrive."""
    return SpanRecord(**{field.name: getattr(row, field.name) for field in fields(row)})


def _read(store: Store, adopter: Adopter, trace: Trace) -> _Read:
    spans = [record_of(row) for row in trace.spans]
    stored = [span for span in spans if names.STAGE in span.attributes]
    kept: dict[str, str] = {}
    if store.keeps_text:
        kept = store.texts(set().union(*map(texts_of, stored)), access=ITSELF)
        prompts = [kept.get(span.attributes.get(names.PROMPT_DIGEST, "")) for span in stored]
        referred: set[str] = set().union(*map(_references, prompts))
        kept |= store.texts(referred - kept.keys(), access=ITSELF)
    remembered = adopter.recall(trace.trace_id)
    steps = []
    for span in stored:
        step = Step.of(span, kept)
        found = remembered.get(span.span_id)
        if found is not None and not (step.whole or step.ours or found.ours):
            step = replace(found, span=step.span)
        steps.append(step)
    return _Read(trace, spans, steps, _beside(store, spans))


def _beside(store: Store, spans: Sequence[SpanRecord]) -> Beside:
    first, last = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
    beside = Beside()
    beside.note(map(record_of, own_steps(store, {s.service for s in spans}, first, last)))
    return beside


def _references(rope: str | None) -> set[str]:
    try:
        return Rope.from_json(rope).references if rope is not None else set()
    except WireError:
        return set()


def _changes(read: _Read, told: dict[str, Derived]) -> tuple[list[SpanRecord], list[ContentRecord]]:
    """Spans that differ from what is stored, and the texts of all."""
    stored = {span.span_id: span for span in read.spans}
    changed, contents = [], []
    for step in read.steps:
        name = step.span.span_id
        if name not in told:
            continue
        was, now = stored[name].attributes, told[name].span.attributes
        if _apart(was) != _apart(now):
            version = max(len(read.spans), _version(stored[name]) + 1)
            said = {**now, names.OBSERVED: str(version)}
            changed.append(replace(told[name].span, attributes=said))
        contents += texts(step, told[name], told[name].level)
    return changed, contents


def _apart(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name != names.OBSERVED}


def _version(span: SpanRecord) -> int:
    said = span.attributes.get(names.OBSERVED, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def _stale(read: _Read, told: dict[str, Derived]) -> list[tuple[FlowRow, int]]:
    """Stored flows that no longer follow, and the version of their spans as these were read."""
    made = {
        (name, flow.chunk.document.id, flow.place)
        for name, one in told.items()
        if not one.duplicate
        for flow in one.flows
    }
    versions = {span.span_id: _version(span) for span in read.spans}
    return [
        (flow, versions[flow.span_id])
        for flow in read.trace.flows
        if flow.span_id in told and (flow.span_id, flow.document, flow.ordinal) not in made
    ]


def _too_free(adopter: Adopter, read: _Read, told: dict[str, Derived]) -> set[tuple[str, str]]:
    """Digests of prompts and completions with a level below the one that now follows."""
    rank = adopter.policy.lattice.rank
    too_free, due = set(), set()
    for span in read.spans:
        before = span.attributes.get(names.PROMPT_LEVEL)
        if before is None:
            continue
        now = told[span.span_id].level if span.span_id in told else before
        for name in (names.PROMPT_DIGEST, names.COMPLETION_DIGEST):
            digest = span.attributes.get(name, "")
            due.add((digest, now))
            if rank(before) < rank(now):
                too_free.add((digest, before))
    return too_free - due
