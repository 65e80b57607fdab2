"""Policy: what may happen, read once and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ragtrace.labels import Declassifications, LabelKeys, Labeller, Lattice, Transformation
from ragtrace.model import Action, Audience, Mode
from ragtrace.policy._failures import Failures
from ragtrace.policy._memory import Memory
from ragtrace.policy._rule import UNNAMED_AUDIENCE, Rule

__all__ = ["DEFAULT_REFUSAL", "JUDGE_SECONDS", "OnBlock", "Policy"]

OnBlock = Literal["raise", "refuse"]

DEFAULT_REFUSAL: Final = "I am not able to help with that."
"""Said instead of a blocked answer; names nothing that was found."""

JUDGE_SECONDS: Final = 5.0
"""Seconds that judging a prompt may take. One of 100,000 characters takes well under a second;
after five, a reader who waits for the first token has long given up."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Levels, audiences and rules, and what to do where no rule speaks.

    Attributes:
        audiences: By name; one that is not here is least cleared.
        otherwise: For content above the audience's clearance that no rule names.
        mode: ``shadow`` records every decision and enforces none.
        on_block: Raise ``PolicyBlocked``, or answer with ``refusal``.
        observe_only: No policy was given: labels and flows are recorded, all is allowed.
        unreadable: Why the policy file could not be used; everything is blocked then.
        digest: SHA-256 of the file's bytes; where it names other files, of them as well.
        failures: What counts as decided where judging fails.
        judge_seconds: How long judging a prompt may take.
        declassified: Texts that somebody has released.
        declassified_in: Path of the file that records them; ``None`` where the policy names none.
        transformations: Steps of the application whose answers are freer than what they are made
            from, by the name that the application gives them.
        memory: What it has decided so far; a copy with other values starts without.
    """

    lattice: Lattice
    labeller: Labeller
    audiences: Mapping[str, Audience] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    otherwise: Action = Action.BLOCK
    mode: Mode = "enforce"
    on_block: OnBlock = "raise"
    refusal: str = DEFAULT_REFUSAL
    observe_only: bool = False
    unreadable: str | None = None
    digest: str = ""
    failures: Failures = field(default_factory=Failures)
    judge_seconds: float = JUDGE_SECONDS
    declassified: Declassifications = field(default_factory=Declassifications)
    declassified_in: str | None = None
    transformations: Mapping[str, Transformation] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)

    @classmethod
    def observing(cls) -> Policy:
        """What is used without a policy file: everything is recorded, nothing is kept back."""
        lattice = Lattice(("public", "internal", "confidential", "restricted"))
        return cls(lattice, _plain_labeller(lattice), observe_only=True)

    @classmethod
    def closed(cls, why: str) -> Policy:
        """What is used where the policy file cannot be: every model call is blocked."""
        lattice = Lattice(("unreadable",))
        return cls(lattice, _plain_labeller(lattice), unreadable=why)

    def audience(
        self,
        name: str | None,
        *,
        principal: str | None = None,
        tenant: str | None = None,
        groups: frozenset[str] = frozenset(),
    ) -> Audience:
        """The audience called ``name``; one the policy does not know is least cleared.

        A tenant is held as the compartment ``tenant:NAME``.
        """
        held = frozenset({f"tenant:{tenant}"}) if tenant else frozenset()
        found = self.audiences.get(name) if name is not None else None
        if found is None:
            return Audience(
                name or UNNAMED_AUDIENCE, self.lattice.least, held, principal, groups, known=False
            )
        if not tenant and principal is None and not groups:
            return found
        return replace(
            found,
            compartments=found.compartments | held,
            principal=principal,
            groups=found.groups | groups,
        )


def _plain_labeller(lattice: Lattice) -> Labeller:
    return Labeller(lattice, LabelKeys(), (), (), lattice.strictest)
