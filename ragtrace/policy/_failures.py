"""Failures: what counts as decided where judging fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ragtrace.model import Action, Audience
from ragtrace.policy._rule import spoken_of_as

__all__ = ["FailureKind", "Failures"]

FailureKind = Literal[
    "judge-error",
    "judge-timeout",
    "unknown-level",
    "unknown-audience",
    "registry-unreachable",
    "ledger-unreachable",
    "guard-overload",
    "not-covered",
]
"""What may fail, as ``failures`` in a policy file names it; the rule of the decision that follows.
The schema of policy files lists them too."""

_UNLESS_SAID: Final[Mapping[FailureKind, Action]] = {
    "judge-error": Action.BLOCK,
    "judge-timeout": Action.BLOCK,
    "unknown-level": Action.BLOCK,
    "unknown-audience": Action.ALLOW,
    "registry-unreachable": Action.ALLOW,
    "ledger-unreachable": Action.BLOCK,
    "guard-overload": Action.BLOCK,
    "not-covered": Action.ALLOW,
}
"""Of two that are allowed everything can still be judged: an audience that the policy does not
name is least cleared, and without the registry as it now is there is the one that was read last.
The third would stop applications that have a framework installed and do not use it."""


@dataclass(frozen=True, slots=True)
class Failures:
    """``allow`` or ``block``, by what failed and for whom.

    Attributes:
        said: By kind, and by audience as rules call it. What is not here has its default.
    """

    said: Mapping[tuple[FailureKind, str], Action] = field(default_factory=dict)

    def action(self, kind: FailureKind, audience: Audience) -> Action:
        """What counts as decided for ``audience`` where ``kind`` has happened."""
        return self.said.get((kind, spoken_of_as(audience)), _UNLESS_SAID[kind])
