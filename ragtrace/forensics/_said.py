"""Said: a decision as a replay shows it, with the line of the policy file that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ragtrace.model import Action, Decision, Mode

__all__ = ["Lines", "Said"]

Lines = Mapping[str, int]
"""Where each rule stands in the policy file at hand, by its id."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was, or would be, decided.

    Attributes:
        shadow_action: What a rule in shadow says; empty where it says nothing else.
        line: Of the rule, in the policy file at hand; ``None`` where it is not known.
    """

    action: Action
    rule: str
    reason: str
    mode: str
    shadow_action: str = ""
    shadow_rule: str = ""
    line: int | None = None

    @classmethod
    def of(cls, decision: Decision, lines: Lines) -> Said:
        """``decision``, made by a policy whose rules stand at ``lines``."""
        beside = decision.shadow
        return cls(
            decision.action,
            decision.rule,
            decision.reason,
            decision.mode,
            str(beside.action) if beside else "",
            beside.rule if beside else "",
            lines.get(decision.rule),
        )

    def decision(self, policy: str) -> Decision:
        """It as a decision of the policy of this digest."""
        mode: Mode = "shadow" if self.mode == "shadow" else "enforce"
        made = Decision(self.action, self.rule, self.reason, policy, mode)
        if not self.shadow_action:
            return made
        beside = Decision(Action(self.shadow_action), self.shadow_rule, "", policy)
        return made.with_shadow(beside)

    def differs(self, other: Said | None) -> bool:
        """Whether anything but the words of the reason is otherwise."""
        return other is None or self._outcome != other._outcome

    @property
    def _outcome(self) -> tuple[str, ...]:
        return self.action, self.rule, self.mode, self.shadow_action, self.shadow_rule

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}
