"""Labelled: the chunk that a passage is; one that is found again is labelled as it was then."""

from __future__ import annotations

from typing import Final

from ragtrace.model import Chunk, Passage
from ragtrace.policy import Policy

__all__ = ["labelled"]

LONGEST: Final = 20_000
"""Characters of a passage that is kept; chunks have some thousand, and whole documents are few."""

_PLAIN: Final = frozenset({str, int, bool, float, type(None)})
"""Types of metadata that are compared as they are read. Of anything else, such as a list, two that
are equal may be written differently, or change later."""


def labelled(policy: Policy, passage: Passage) -> Chunk:
    """``passage`` as the labeller of ``policy`` has it.

    The labels of a passage depend on nothing but the policy, its text, its metadata and its names.
    """
    question = _question(passage)
    if question is None:
        return policy.labeller.label(passage)
    known = policy.memory.chunks
    chunk = known.get(question)
    if chunk is None:
        return known.keep(question, policy.labeller.label(passage))
    return chunk.at(passage.rank, passage.score)


def _question(passage: Passage) -> tuple[object, ...] | None:
    """All that a label depends on; ``None`` where that cannot be compared, or is too much."""
    values = tuple(passage.metadata.values())
    kinds = tuple(map(type, values))
    if len(passage.text) > LONGEST or not _PLAIN.issuperset(kinds):
        return None
    if float in kinds:  # two zeros are equal, and are not written alike
        values = tuple(map(repr, values))
    names = (passage.source.id, passage.source.aliases, passage.id, passage.unplaced)
    # Beside the values, their types: a number is equal to a truth value, and is another label.
    return (passage.text, *names, tuple(passage.metadata), values, kinds)
