"""Workload: a policy of so many rules, and chunks to be judged by it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.labels import LabelKeys, Labeller, Lattice
from ragtrace.model import Action, Audience, Chunk, Document, Label, Source
from ragtrace.policy import Policy, Rule

__all__ = ["AUDIENCES", "RULES", "Workload", "workload"]

RULES: Final = 50
"""Rules of the policy that the bar speaks of."""

LEVELS: Final = ("public", "internal", "confidential", "restricted")

AUDIENCES: Final = {
    "customer": "public",
    "partner": "internal",
    "staff": "confidential",
    "officer": "restricted",
}
"""Audiences, and what each is cleared for."""

SOURCES: Final = (
    "chroma/help",
    "chroma/handbook",
    "confluence/hr",
    "confluence/legal",
    "sharepoint/finance",
    "jira/support",
    "crm/accounts",
    "drive/board",
)
KINDS: Final = ("faq", "guide", "policy", "memo", "contract", "ticket", "note", "salary", "audit")
"""What the id of a document begins with."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A policy and the chance by which chunks for it are made.

    A rule asks for one level and one audience at the most, and its patterns end in a star: every
    language that it is compared with can say the same.
    """

    policy: Policy
    seed: int

    def chunks(self, count: int, batch: int) -> list[Chunk]:
        """``count`` chunks, the same for the same ``batch``, of strings that are nobody else's.

        Two batches share no document. Nothing is known of the strings, not even their hash, as
        of those that a store has just sent.
        """
        dice = random.Random(f"{self.seed}:{batch}")
        return [self._chunk(dice, f"{batch}-{place}") for place in range(count)]

    def audience(self, batch: int) -> Audience:
        """Who asks, with a name and a tenant of his own."""
        dice = random.Random(f"{self.seed}:{batch}:audience")
        name = dice.choice([*AUDIENCES, "stranger"])
        principal = f"user-{dice.randrange(100)}"
        return self.policy.audience(name, principal=principal, tenant="acme")

    def _chunk(self, dice: random.Random, place: str) -> Chunk:
        kind, name = dice.choice(KINDS), f"{place}-{dice.randrange(10**6)}"
        return Chunk(
            id=name,
            document=Document(f"{kind}-{name}"),
            source=Source(_anew(dice.choice(SOURCES))),
            text="",
            digest=name,
            label=Label(_anew(dice.choice(LEVELS))),
            basis="metadata:label",
        )


def workload(rules: int = RULES, seed: int = 20261120) -> Workload:
    """A policy of so many rules of three kinds in any order, each of them asking two to four."""
    dice = random.Random(seed)
    lattice = Lattice(LEVELS)
    policy = Policy(
        lattice=lattice,
        labeller=Labeller(lattice, LabelKeys(), (), (), lattice.strictest),
        audiences={name: Audience(name, level) for name, level in AUDIENCES.items()},
        rules=tuple(_rule(dice, f"rule-{place}") for place in range(rules)),
        digest="bench",
    )
    return Workload(policy, seed)


def _rule(dice: random.Random, name: str) -> Rule:
    """Half of the rules ask for a document: these cannot be settled before it is known."""
    asks: Sequence[str] = dice.choice(
        [
            ("audience", "document"),
            ("level", "audience", "source"),
            ("level", "source"),
            ("level", "audience", "source", "document"),
        ]
    )
    return Rule(
        id=name,
        action=dice.choice(list(Action)),
        levels=frozenset({dice.choice(LEVELS)} if "level" in asks else ()),
        audiences=frozenset({dice.choice([*AUDIENCES, "unknown"])} if "audience" in asks else ()),
        source=f"{dice.choice(SOURCES).split('/')[0]}/*" if "source" in asks else None,
        document=f"{dice.choice(KINDS)}-*" if "document" in asks else None,
    )


def _anew(text: str) -> str:
    return "".join([text[:1], text[1:]])
