"""Labelled: the chunk that a passage is; one that is found again is labelled as it was then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.model import Chunk, Label, Origin, Passage, Source
from ragtrace.policy import Labelled, Policy

__all__ = ["labelled", "left_by", "remembered"]

LONGEST: Final = 20_000
"""Characters of a passage that is kept; chunks have some thousand, and whole documents are few."""

_PLAIN: Final = frozenset({str, int, bool, float, type(None)})
"""Types of metadata that are compared as they are read. Of anything else, such as a list, two that
are equal may be written differently, or change later."""


def labelled(policy: Policy, passage: Passage) -> Chunk:
    """``passage`` as the labeller of ``policy`` has it.

    The labels of a passage depend on nothing but the policy, its text, its metadata and its names.
    """
    question = _question(passage, passage.source)
    known = None if question is None else policy.memory.chunks.get(question)
    if known is not None:
        return known.chunk.at(passage.rank, passage.score)
    chunk = policy.labeller.label(passage)
    if question is not None:
        label = policy.labeller.effective(chunk)
        policy.memory.chunks.keep(question, Labelled(chunk, label, left_by(chunk, label)))
    return chunk


def remembered(
    policy: Policy, passages: Sequence[Passage], asked: Source, source: Source
) -> list[Labelled | None]:
    """For each of ``passages`` what is remembered of it; its place and score are not its own.

    Args:
        policy: Has labelled them.
        passages: As they are found now.
        asked: The source that passages of this very search name.
        source: What counts as that source.
    """
    known = policy.memory.chunks
    here = [
        source if (one.source is asked or one.source == asked) else one.source for one in passages
    ]
    return [
        None if question is None else known.get(question)
        for question in map(_question, passages, here)
    ]


def left_by(chunk: Chunk, label: Label) -> tuple[Label, tuple[Origin, ...]]:
    """What a chunk leaves in the request that it is let into, under ``label``."""
    origin = Origin(chunk.document.id, chunk.source.id, chunk.digest, label)
    return label, (origin, *chunk.origins)


def _question(passage: Passage, source: Source) -> tuple[object, ...] | None:
    """All that a label depends on; ``None`` where that cannot be compared, or is too much."""
    metadata = passage.metadata
    values = tuple(metadata.values())
    kinds = tuple(map(type, values))
    if len(passage.text) > LONGEST or not _PLAIN.issuperset(kinds):
        return None
    if float in kinds:  # two zeros are equal, and are not written alike
        values = tuple(map(repr, values))
    names = (source.id, source.aliases, passage.id, passage.unplaced)
    # Beside the values, their types: a number is equal to a truth value, and is another label.
    return (passage.text, *names, *metadata, *values, *kinds)
