"""Decision: what may happen to a piece of content, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

__all__ = ["Action", "Decision", "Mode", "strictest"]

Mode = Literal["enforce", "shadow"]


class Action(StrEnum):
    """The closed vocabulary, declared from least to most strict."""

    ALLOW = "allow"
    """Content may be used and may be said."""
    CONTEXT_ONLY = "context_only"
    """It may be in the model's context; it may not be said to this audience."""
    REDACT = "redact"
    """The restricted ranges are replaced before the model sees them."""
    DROP = "drop"
    """The chunk never leaves the retriever."""
    BLOCK = "block"
    """The model is not called."""

    @property
    def strictness(self) -> int:
        """0 for the least strict, rising by one."""
        return _STRICTNESS[self]


_STRICTNESS = {action: place for place, action in enumerate(Action)}


@dataclass(frozen=True, slots=True)
class Decision:
    """What may happen, by which rule, under which policy; recorded even when it allows.

    Attributes:
        rule: Id of the rule, or one of ragtrace's own: ``clearance`` (the lattice permits),
            ``otherwise`` (it does not, and no rule says more), ``no-policy``,
            ``policy-in-shadow``, ``judge-error`` and the other failures that a policy speaks of,
            ``policy-unreadable``, ``already-blocked``,
            ``explained`` (all that was found is in other documents too), ``unknown-level`` (the
            policy does not declare it), ``short-run`` (too
            little was found to tell whose words they are), ``told-before`` (this audience was
            told the text before), or a kind of failure, as ``judge-timeout``.
        reason: One sentence without document text.
        policy: Digest of the policy.
        mode: ``shadow`` for a decision that was only recorded.
        shadow: What the rules in shadow would have decided, where that differs.
    """

    action: Action
    rule: str
    reason: str
    policy: str = ""
    mode: Mode = "enforce"
    shadow: Decision | None = None

    def with_shadow(self, shadow: Decision | None) -> Decision:
        """The same decision with what the shadow rules say beside it."""
        return replace(self, shadow=shadow)


def strictest(decisions: list[Decision]) -> Decision | None:
    """The strictest of ``decisions``, the first of equals; ``None`` for an empty list."""
    several = {id(decision): decision for decision in decisions}.values()  # most are the same one
    return max(several, key=lambda decision: _STRICTNESS[decision.action], default=None)
