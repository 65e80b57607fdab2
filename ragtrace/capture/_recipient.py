"""Recipient: who has had a text, as far as it says who else may have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ragtrace.model import Audience, Chunk
from ragtrace.policy import Policy

__all__ = ["Recipient"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """An audience that has had a text. Most texts are the same to all readers of one.

    Attributes:
        name: As the application called it.
        clearance: As it was then.
        compartments: What it held.
        known: Whether the policy named it.
        person: The reader's own id and groups; ``None`` where it made no difference whose they
            were.
    """

    name: str
    clearance: str
    compartments: frozenset[str]
    known: bool
    person: tuple[str | None, frozenset[str]] | None

    @classmethod
    def of(cls, policy: Policy, chunk: Chunk, audience: Audience) -> Self:
        """``audience``, which has had the text of ``chunk``.

        Who it is matters where a label names its readers, and where a rule has an expression,
        which may ask for it.
        """
        personal = (
            chunk.label.readers is not None
            or any([part.label.readers is not None for part in chunk.ranges])
            or any([rule.expressions for rule in policy.rules])
        )
        return cls(
            audience.name,
            audience.clearance,
            audience.compartments,
            audience.known,
            (audience.principal, audience.groups) if personal else None,
        )

    def answers_for(self, other: Recipient) -> bool:
        """Whether ``other`` may have what this one has had."""
        return (
            self.name == other.name
            and self.known == other.known
            and self.clearance == other.clearance
            and self.compartments <= other.compartments
            and (other.person is None or self.person == other.person)
        )
