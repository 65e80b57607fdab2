"""Derive: the flows of a trace that other tracers recorded, out of all its known steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from ragtrace.attribution import Index
from ragtrace.model import Attribution, Chunk, Completion, Label, Prompt
from ragtrace.policy import Policy, label_found
from ragtrace.server._beside import Beside
from ragtrace.server._step import Step
from ragtrace.wire import (
    ContentRecord,
    SpanRecord,
    Tracer,
    Undecided,
    encode_undecided,
    names,
    subject_of,
    weave,
)

__all__ = ["Derived", "derive", "texts"]

_PREFERRED: Final = {name: place for place, name in enumerate(get_args(Tracer))}
"""Of two tracers that recorded the same calls equally often, the first of these counts."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A foreign step with what follows from the others.

    Attributes:
        span: As it is to be stored.
        flows: What is on it.
        duplicate: Whether another step tells of the same; it makes no flows then.
        ours: Whether that one is ragtrace's own, with which the texts came that may be kept.
        level: Of its texts; of a prompt, the join of what is or may be in it.
        found: Of a prompt, for the rope.
    """

    span: SpanRecord
    flows: tuple[Undecided, ...]
    duplicate: bool
    ours: bool
    level: str
    found: tuple[Attribution, ...] = ()


def derive(
    policy: Policy,
    steps: Collection[Step],
    known: int,
    who: Mapping[str, str],
    beside: Beside,
) -> dict[str, Derived]:
    """Give every foreign step of a trace its flows; the same steps in any order give the same.

    Of a model call whose messages are not at hand nothing is found; its level is the strictest.

    Args:
        policy: Orders labels.
        steps: Of one trace, each span once.
        known: How many spans of the trace are known, which is noted on each.
        who: Session, user, audience and tenant of the trace, for spans that do not say.
        beside: What ragtrace told of itself, in other traces.

    Returns:
        By span id.
    """
    foreign = [step for step in steps if not step.ours]
    told_by_us = _told_by_us(steps)
    twice = _duplicates(step for step in foreign if step.span.span_id not in told_by_us)
    chunks = _distinct(policy, (chunk for step in steps for chunk in step.chunks))
    # What came without its text is looked for in vain: it may be in any of the prompts.
    unseen = [policy.labeller.effective(chunk) for chunk in chunks if not chunk.text]
    index = Index()
    index.add(*sorted((chunk for chunk in chunks if chunk.text), key=lambda one: one.digest))
    by_digest = defaultdict(list)
    for chunk in chunks:
        by_digest[chunk.digest].append(chunk)
    made = {}
    for step in foreign:
        found: list[Attribution] = []
        if step.is_retrieval:
            flows = [
                Undecided(chunk, policy.labeller.effective(chunk))
                for chunk in _distinct(policy, step.chunks)
            ]
            label = policy.lattice.join(flow.label for flow in flows)
        else:
            found = sorted(index.attribute(step.messages or ()), key=lambda one: one.chunk)
            flows = [flow for one in found for flow in _flows(policy, step, one, by_digest)]
            label = policy.lattice.join([_label(policy, step, flows), *unseen])
        name = step.span.span_id
        ours = name in told_by_us or beside.tells(step.span, [flow.chunk for flow in flows])
        duplicate = ours or name in twice
        told = Derived(step.span, tuple(flows), duplicate, ours, label.level, tuple(found))
        made[name] = replace(told, span=_span(told, known, who))
    return made


def texts(step: Step, told: Derived, level: str) -> list[ContentRecord]:
    """The texts of a foreign step, for the vault; none where ragtrace told of the step itself.

    Args:
        step: Holds the texts.
        told: The same step with what was found in it.
        level: What a reader needs for a prompt and its completion.
    """
    if told.ours:
        return []
    if step.is_retrieval:
        return [
            ContentRecord(
                flow.chunk.digest,
                "chunk",
                flow.label.level,
                flow.chunk.text,
                f"document:{flow.chunk.document.id}",
            )
            for flow in told.flows
            if flow.chunk.text
        ]
    kept = []
    said = told.span.attributes
    whose = subject_of(
        said.get(names.USER), said.get(names.SESSION) or said.get(names.GEN_AI_CONVERSATION)
    )
    prompt = Prompt(step.messages or ())
    if prompt.messages:
        rope = weave(prompt, told.found, {f.chunk.digest: f.chunk.text for f in told.flows})
        kept.append(ContentRecord(prompt.digest, "prompt", level, rope.to_json(), whose))
    if step.completion:
        name = Completion(step.completion).digest
        kept.append(ContentRecord(name, "completion", level, step.completion, whose))
    return kept


def _span(told: Derived, known: int, who: Mapping[str, str]) -> SpanRecord:
    flows = encode_undecided(told.flows)
    said = {**who, **told.span.attributes, names.OBSERVED: str(known), names.FLOWS: flows}
    inherited = sorted(who.keys() - told.span.attributes.keys())
    if inherited:
        said[names.INHERITED] = ",".join(inherited)
    if told.duplicate:
        said |= {names.FLOWS: "[]", names.DUPLICATE: flows}
    if said.get(names.STAGE) != "retrieval":
        said[names.PROMPT_LEVEL] = told.level
    return replace(told.span, attributes=said)


def _flows(
    policy: Policy, step: Step, one: Attribution, chunks: Mapping[str, Sequence[Chunk]]
) -> Iterable[Undecided]:
    messages = step.messages or ()
    roles = tuple(dict.fromkeys(messages[span.message].role for span in one.spans))
    for chunk in chunks[one.chunk]:
        yield Undecided(chunk, label_found(policy, chunk, one), one, roles)


def _label(policy: Policy, step: Step, flows: Sequence[Undecided]) -> Label:
    """The join of what was found; what others explain is not there on its own account.

    A prompt in which nothing was found may hold anything: it is as a text that nobody labelled.
    """
    if not step.messages:
        return Label(policy.lattice.strictest)
    if not flows:
        return Label(policy.labeller.unlabelled)
    return policy.lattice.join(
        flow.label
        for flow in flows
        if flow.attribution is not None and flow.attribution.verdict != "explained"
    )


def _distinct(policy: Policy, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Each text of each document once, as it was labelled most strictly; in a fixed order."""
    kept: dict[tuple[str, str], Chunk] = {}

    def order(chunk: Chunk) -> tuple[object, ...]:
        label = policy.labeller.effective(chunk)
        return (
            bool(chunk.text),  # the same chunk may be known with its text from another step
            policy.lattice.rank(label.level),
            label.level,
            sorted(label.compartments),
            label.readers is not None,
            chunk.source.id,
            chunk.id,
            -chunk.rank,
        )

    for chunk in chunks:
        name = (chunk.document.id, chunk.digest or chunk.id)
        if name not in kept or order(chunk) > order(kept[name]):
            kept[name] = chunk
    return [kept[name] for name in sorted(kept)]


def _told_by_us(steps: Collection[Step]) -> set[str]:
    """Span ids of the foreign steps that a step of ours in the same trace tells of."""
    ours = [step for step in steps if step.ours]
    return {
        step.span.span_id
        for step in steps
        if not step.ours and any(_same(step, own) for own in ours)
    }


def _duplicates(steps: Iterable[Step]) -> set[str]:
    """Span ids of the foreign steps that another foreign one tells of."""
    groups: dict[tuple[object, ...], list[Step]] = defaultdict(list)
    for step in steps:
        groups[_told(step)].append(step)
    twice: set[str] = set()
    for group in groups.values():
        twice |= {step.span.span_id for step in group} - _kept(group)
    return twice


def _same(step: Step, own: Step) -> bool:
    """Whether our own step is the same; we see more, such as what a policy dropped."""
    if step.is_retrieval != own.is_retrieval:
        return False
    if step.is_retrieval:
        held = {chunk.digest for chunk in own.chunks}
        return bool(step.chunks) and all(chunk.digest in held for chunk in step.chunks)
    # By what was asked alone: two that were asked other things may answer the same.
    asked = step.span.attributes.get(names.PROMPT_DIGEST)
    return bool(asked) and asked == own.span.attributes.get(names.PROMPT_DIGEST)


def _told(step: Step) -> tuple[object, ...]:
    """What two steps have in common that are the same; a step that tells nothing is alone."""
    if step.is_retrieval:
        digests = frozenset(chunk.digest or chunk.id for chunk in step.chunks)
        return ("retrieval", digests) if digests else ("retrieval", step.span.span_id)
    digest = step.span.attributes.get(names.PROMPT_DIGEST)
    return ("prompt", digest) if digest else ("prompt", step.span.span_id, "")


def _kept(group: Sequence[Step]) -> set[str]:
    """Of steps that tell the same, those that are different calls.

    Of several tracers the one that saw most calls; of its spans, those within no other: a
    framework and the client it calls are often traced both.
    """
    by_tracer: dict[str, list[Step]] = defaultdict(list)
    for step in group:
        by_tracer[step.tracer].append(step)
    best = max(by_tracer, key=lambda name: (len(by_tracer[name]), -_PREFERRED.get(name, 99), name))
    kept: list[SpanRecord] = []
    spans = [step.span for step in by_tracer[best]]
    for span in sorted(spans, key=lambda one: (one.start_ns, -one.end_ns, one.span_id)):
        if not any(span.end_ns <= other.end_ns for other in kept):  # these began no later
            kept.append(span)
    return {span.span_id for span in kept}
