"""Transformations: the steps that a policy names as safe, and what that does to their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ragtrace.labels import Transformation
from ragtrace.model import Attribution, Chunk, Label
from ragtrace.policy._found import enforceable, label_found
from ragtrace.policy._policy import Policy

__all__ = ["WIDE", "levels_of_transformations", "read_transformations", "transformed"]

WIDE: Final = 200
"""Characters of an answer above which ``policy check`` warns: two sentences tell what a note says,
in words that are nobody's copy. A class, a date or a yes takes twenty."""


def read_transformations(said: dict[str, Any]) -> dict[str, Transformation]:
    """The transformations of a policy file, by id."""
    return {
        entry["id"]: Transformation(
            entry["id"],
            # Of whether a text is true, a transformation says nothing.
            Label(entry["to"], frozenset(entry.get("compartments", ())), integrity="untrusted"),
            entry.get("at_most"),
            entry.get("reason", ""),
        )
        for entry in said.get("transformations", [])
    }


def levels_of_transformations(said: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    """The levels that they lower to, each with the way to it."""
    for place, entry in enumerate(said.get("transformations", [])):
        yield ["transformations", place, "to"], entry["to"]


def transformed(
    policy: Policy,
    step: Transformation,
    answer: Chunk,
    said: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
) -> Chunk:
    """The completion of a safe step, under the label that the step gives at most.

    One that copies a passage which is stricter than that has told it, whatever the step was meant
    to do: nothing of it is lowered.

    Args:
        policy: Orders labels.
        step: As the policy names it.
        answer: As ``derive`` gives it.
        said: Chunks found in it.
        chunks: These, by digest.
    """
    for one in said:
        label = label_found(policy, chunks[one.chunk], one)
        if enforceable(one).spans and not policy.lattice.dominates(step.label, label):
            return answer
    return step.apply(policy.lattice, answer)
