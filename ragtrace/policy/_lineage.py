"""Lineage: what a text inherits from the texts it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from ragtrace.attribution import TEMPLATE, Cover
from ragtrace.model import (
    Attribution,
    Chunk,
    Document,
    Evidence,
    Label,
    LabelledRange,
    Origin,
    Source,
    Span,
    digest,
)
from ragtrace.policy._found import PART_FOUND, enforceable, label_of, labels_found
from ragtrace.policy._policy import Policy

__all__ = [
    "COMPLETION",
    "ancestry",
    "as_found",
    "derive",
    "is_authority",
    "says_more",
    "strictest_first",
]

COMPLETION: Final = Source("completion")
"""The source of what models of the application have said."""

MAX_ORIGINS: Final = 64
"""Origins kept of one text, the strictest first. An agent's last answer may have hundreds, and
each goes on every span that the text reaches."""

Copied = tuple[int, int, Label]
"""Characters of a text, and the label of what they are a copy of."""


def ancestry(
    policy: Policy, found: Iterable[Attribution], chunks: Mapping[str, Chunk]
) -> tuple[Label, tuple[Origin, ...]]:
    """What a text made from some messages inherits: the join of what is in them, and its origins.

    A passage that several chunks share counts as the least strict of them, also where it stands
    in the application's template: a template can be made of a leak. Of a text that is itself
    derived, those of its origins count that are within the label of what was found: what was
    declassified has nothing of the stricter ones. Where all that was found is a copy, none does:
    it is in what was copied.

    Args:
        policy: Orders labels.
        found: What was found in the messages, surely enough for the caller.
        chunks: By digest.
    """
    found = list(found)
    labels = labels_found(policy, found, chunks)
    inherited: list[Label] = []
    origins: dict[tuple[str, str], Origin] = {}
    kept = policy.memory.origins
    each: dict[str, Label] = {}
    for one, label in zip(found, labels, strict=True):
        template = TEMPLATE in one.group
        if not one.spans or (one.verdict == "explained" and not template):
            continue
        chunk = chunks[one.chunk]
        if template or one.verdict == "ambiguous":
            each = each or dict(zip([other.chunk for other in found], labels, strict=True))
            label = _freest(policy, one, found, each)
        inherited.append(label)
        if not chunk.origins and chunk.source.id != COMPLETION.id:
            made = kept.get((chunk.digest, chunk.document.id, chunk.source.id))
            if made is None or made.label is not label:
                made = _origin(policy, chunk, label)
            some: Iterable[Origin] = (made,)
        else:
            some = _origins(policy, chunk, one, label)
        for origin in some:
            known = origins.setdefault((origin.digest, origin.document), origin)
            if known.label is not origin.label and known.label != origin.label:
                joined = policy.lattice.join([known.label, origin.label])
                origins[origin.digest, origin.document] = replace(origin, label=joined)
    return policy.lattice.join(inherited), strictest_first(policy, origins.values())


def _freest(
    policy: Policy, one: Attribution, found: Sequence[Attribution], labels: Mapping[str, Label]
) -> Label:
    """The least strict label of those that share the passage."""
    others: Iterable[str] = one.group
    if TEMPLATE in one.group:
        others = _beside(one, [other for other in found if TEMPLATE in other.group])
    sharing = [labels[name] for name in (one.chunk, *others) if name in labels]
    return min(sharing, key=lambda shared: policy.lattice.rank(shared.level))


def derive(
    policy: Policy,
    text: str,
    inherited: tuple[Label, tuple[Origin, ...]],
    said: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    echoed: Iterable[tuple[int, int]] = (),
    name: str | None = None,
) -> Chunk:
    """The chunk that a completion is, for whatever prompt or result it turns up in.

    It carries the label it inherits, but for what it only copies: the words of a document keep
    that document's label, and the words of the question have none. So a public sentence that an
    answer quotes stays public, wherever it is met again.

    Args:
        policy: Orders labels.
        text: What the model said.
        inherited: As ``ancestry`` gives it, of the prompt.
        said: Chunks found in ``text``, which is message 0.
        chunks: These, by digest.
        echoed: Characters of ``text`` that stand in the prompt and are nobody's document.
        name: The digest of ``text``, where that is known.
    """
    label, origins = inherited
    nothing, name = policy.lattice.public, name or digest(text)
    copied = [
        (span.start, span.end, label_of(policy, chunks[one.chunk], (span,)))
        for one in said
        for span in one.spans
    ]
    copied += [(start, end, nothing) for start, end in echoed]
    ranges: tuple[LabelledRange, ...] = ()
    if copied:
        parts = _parts(policy, len(text), copied, label)
        if any(part.label != label for part in parts):
            label, ranges = nothing, tuple(part for part in parts if part.label != nothing)
    words = {one.chunk: _evidence(one) for one in said}
    return Chunk(
        id=name[:16],
        document=Document(f"{COMPLETION.id}:{name[:16]}"),
        source=COMPLETION,
        text=text,
        digest=name,
        label=label,
        basis="derived",
        ranges=ranges,
        copied=tuple(Cover.of((0, start, end) for start, end, _ in copied)) if copied else (),
        origins=_known_by_words(origins, words),
    )


def is_authority(chunk: Chunk) -> bool:
    """Whether what ``chunk`` lets be read is readable wherever it stands.

    What a model said is not: it may have said it before somebody made it a secret. A text that
    was released is.
    """
    return chunk.source.id != COMPLETION.id or bool(chunk.released)


def as_found(chunk: Chunk, spans: Sequence[Span]) -> Chunk:
    """``chunk`` as those parts of it that ``spans`` reach into are to be judged."""
    if not chunk.origins or says_more(chunk, spans):
        return chunk
    return replace(chunk, origins=())


def says_more(chunk: Chunk, spans: Sequence[Span]) -> bool:
    """Whether some of what ``spans`` hold of ``chunk`` is more than a copy of something else."""
    if not chunk.copied:
        return True
    copied = Cover.of((0, start, end) for start, end in chunk.copied)
    return any(
        end - start >= PART_FOUND
        for span in spans
        for start, end in copied.left(0, span.chunk_start, span.chunk_end)
    )


def _origins(policy: Policy, chunk: Chunk, found: Attribution, label: Label) -> Iterable[Origin]:
    if chunk.source.id != COMPLETION.id:
        yield _origin(policy, chunk, label)
    for origin in as_found(chunk, found.spans).origins:
        if policy.lattice.dominates(label, origin.label):
            yield _known_by(origin, "taint")


def _origin(policy: Policy, chunk: Chunk, label: Label) -> Origin:
    """A document as an origin; the very same each time, as most are met again and again."""
    known = policy.memory.origins
    asked = (chunk.digest, chunk.document.id, chunk.source.id)
    made = known.get(asked)
    if made is None or (made.label is not label and made.label != label):
        made = Origin(chunk.document.id, chunk.source.id, chunk.digest, label)
        known.keep(asked, made)
    return made


def _known_by_words(
    origins: tuple[Origin, ...], words: Mapping[str, Evidence]
) -> tuple[Origin, ...]:
    """The same with how each is known: by the digests of those whose words were found."""
    if not words and all([one.evidence == "taint" for one in origins]):
        return origins
    return tuple(_known_by(one, words.get(one.digest, "taint")) for one in origins)


def _known_by(origin: Origin, evidence: Evidence) -> Origin:
    return origin if origin.evidence == evidence else replace(origin, evidence=evidence)


def _beside(one: Attribution, others: Iterable[Attribution]) -> list[str]:
    """The chunks of which something stands where something of ``one`` does."""
    own = _cover(one)
    return [other.chunk for other in others if _cover(other).overlaps(own)]


def _cover(found: Attribution) -> Cover:
    return Cover.of((span.message, span.start, span.end) for span in found.spans)


def strictest_first(policy: Policy, origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """The strictest of ``origins``, and of each source and label one, before there are others."""
    ordered = list(origins)
    if len({id(one.label) for one in ordered}) > 1:  # most prompts hold documents of one label
        ordered.sort(key=lambda one: policy.lattice.rank(one.label.level), reverse=True)
    if len(ordered) <= MAX_ORIGINS:
        return tuple(ordered)
    firsts = {(one.source, one.label): one for one in reversed(ordered)}
    kept = [*reversed(firsts.values()), *(one for one in ordered if one not in firsts.values())]
    kept = sorted(kept[:MAX_ORIGINS], key=ordered.index)
    return tuple(kept)


def _evidence(found: Attribution) -> Evidence:
    if found.verdict in ("certain", "ambiguous") and enforceable(found).spans:
        return "certain"
    return "text" if found.spans else "taint"


def _parts(
    policy: Policy, length: int, copied: Sequence[Copied], rest: Label
) -> list[LabelledRange]:
    """All of a text in parts: what is copied with its label, of several the freest; and the rest.

    A gap too short for anything to be found in it goes with what is before it.
    """
    cuts = sorted({0, length, *(edge for start, end, _ in copied for edge in (start, end))})
    waiting = sorted(copied, key=lambda copy: copy[0], reverse=True)
    over: dict[Label, int] = {}
    parts: list[LabelledRange] = []
    for start, end in pairwise(cuts):
        over = {label: until for label, until in over.items() if until > start}
        while waiting and waiting[-1][0] <= start:
            _, until, label = waiting.pop()
            over[label] = max(until, over.get(label, 0))
        label = min(over, key=lambda one: policy.lattice.rank(one.level)) if over else rest
        if not over and end - start < PART_FOUND and parts:
            label = parts[-1].label
        if parts and parts[-1].label == label:
            start = parts.pop().start
        parts.append(LabelledRange(start, end, label))
    return parts
