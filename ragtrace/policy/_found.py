"""Found: what of a chunk is in a text for certain enough to act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ragtrace.model import Attribution, Chunk, Label, Span
from ragtrace.policy._policy import Policy

__all__ = [
    "ENFORCED_EVIDENCE",
    "ENFORCED_RUN",
    "PART_FOUND",
    "enforceable",
    "label_found",
    "label_of",
    "labels_found",
    "reaches_into",
]

ENFORCED_RUN: Final = 48
"""Symbols in a row from which a found text is acted on. Shorter runs are recorded only: at 48,
0 to 0.7 % of answers share one with documents they were not made from, and those are shared
text (450 MTRAG answers); at 32, a customer's own question is taken for the note that quotes it."""

ENFORCED_EVIDENCE: Final = 40
"""Unique grams in the chain of an edited copy from which its parts are acted on, however short
each is. 0 false in 800 documents that were looked for in 250 KB of their own domain, where 24
gave 5 (attribution notes, U=40)."""

PART_FOUND: Final = 16
"""Characters of a labelled range that count as finding it. A run may go on over the edge of a
range by chance: the last letter of what was redacted may be that of ``[redacted]``."""


def enforceable(found: Attribution) -> Attribution:
    """The same with only those runs that are long enough, by themselves or with their chain."""
    if found.whole:
        return found
    strong = tuple(
        span
        for span in found.spans
        if span.symbols >= ENFORCED_RUN or span.evidence >= ENFORCED_EVIDENCE
    )
    return found if len(strong) == len(found.spans) else replace(found, spans=strong)


def label_found(policy: Policy, chunk: Chunk, found: Attribution) -> Label:
    """The join of the labels of just those parts of ``chunk`` that were found.

    Parts found for certain enough count; where none was, those that were found at all do.
    """
    if not chunk.ranges:
        return chunk.label
    return label_of(policy, chunk, enforceable(found).spans or found.spans)


def labels_found(
    policy: Policy, found: Iterable[Attribution], chunks: Mapping[str, Chunk]
) -> list[Label]:
    """The same of each of ``found``; most chunks have one label, of which nothing need be asked.

    Args:
        policy: Joins labels.
        found: What was found.
        chunks: By digest.
    """
    return [
        label_found(policy, chunk, one) if (chunk := chunks[one.chunk]).ranges else chunk.label
        for one in found
    ]


def label_of(policy: Policy, chunk: Chunk, spans: Sequence[Span]) -> Label:
    """The join of the labels of those parts of ``chunk`` that ``spans`` reach into."""
    labels = [
        part.label
        for part in chunk.ranges
        if any(reaches_into(part.start, part.end, span) for span in spans)
    ]
    return policy.lattice.join([chunk.label, *labels])


def reaches_into(start: int, end: int, span: Span) -> bool:
    """Whether ``span`` holds enough of characters ``start`` to ``end`` of its chunk."""
    shared = min(span.chunk_end, end) - max(span.chunk_start, start)
    return shared >= min(PART_FOUND, end - start)
