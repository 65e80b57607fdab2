"""Prompt: what is decided about one model call as a whole, when it is made and when it is replayed.

What is found in a prompt, who knows. From there on everything depends on the policy alone, and
stands here, so that a replay judges with the very code that ran live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ragtrace.attribution import TEMPLATE
from ragtrace.model import Action, Attribution, Audience, Chunk, Decision, Label, strictest
from ragtrace.policy._failures import FailureKind
from ragtrace.policy._judge import judge_alike, judge_found
from ragtrace.policy._policy import Policy
from ragtrace.policy._readable import without_readable
from ragtrace.policy._ruling import judge

__all__ = [
    "NOT_TAKEN_OUT",
    "TAKEN_OUT",
    "TOLD_BEFORE",
    "PromptRuling",
    "blocked_before",
    "decide_failure",
    "judge_carried",
    "judge_prompt",
    "judge_reader",
    "overall",
]

TOLD_BEFORE: Final = "told-before"
"""Why a derived text is released, and the rule of the decision that lets it stand."""

TAKEN_OUT: Final = frozenset({Action.REDACT, Action.DROP})
"""In a prompt there is no chunk left to drop, only its text: both take the text out."""

NOT_TAKEN_OUT: Final = "restricted text could not be taken out of the prompt"
"""Why a prompt is blocked that should have been redacted."""


@dataclass(frozen=True, slots=True)
class PromptRuling:
    """What is decided about each chunk that was found in a prompt.

    Attributes:
        answerable: What was found, without what may be read anyway, one for one.
        decisions: By digest; what has none is accounted for by others.
        alike: Whether each chunk is there whole and on its own account, with one label.
    """

    answerable: Sequence[Attribution]
    decisions: Mapping[str, Decision]
    alike: bool = False

    def about(self, policy: Policy, one: Attribution) -> Decision:
        """The decision about what was found, also where others account for it."""
        return self.decisions.get(one.chunk) or _explained(policy, one)


def judge_prompt(
    policy: Policy,
    found: Sequence[Attribution],
    chunks: Mapping[str, Chunk],
    audience: Audience,
) -> PromptRuling:
    """Decide about everything that was found in a prompt.

    Args:
        policy: Decides.
        found: Documents and earlier completions.
        chunks: These as they are judged here, by digest.
        audience: For whom.
    """
    alike = judge_alike(policy, found, chunks, audience)
    if alike is not None:
        return PromptRuling(found, alike, alike=True)
    answerable = without_readable(policy, found, chunks, audience)
    decisions = judge_found(policy, answerable, dict(chunks), audience)
    for name, decision in decisions.items():
        if chunks[name].released == TOLD_BEFORE and decision.action is Action.ALLOW:
            decisions[name] = replace(
                decision, rule=TOLD_BEFORE, reason="this audience was told it before"
            )
    return PromptRuling(answerable, decisions)


def judge_carried(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> Decision:
    """Decide about a text that is known by its baggage alone: nothing of it can be taken out."""
    decision = judge(policy, chunk, label, audience)
    if decision.action in TAKEN_OUT:
        reason = f"{decision.reason}; it came by baggage, and there is no text to take out"
        decision = replace(decision, action=Action.BLOCK, reason=reason)
    return decision


def overall(policy: Policy, decisions: Sequence[Decision]) -> Decision:
    """What counts for a prompt of which each flow was given one of ``decisions``."""
    if policy.observe_only:
        return Decision(Action.ALLOW, "no-policy", "no policy was given", mode="shadow")
    decided = strictest(list(decisions))
    if decided is None:
        reason = "nothing that is labelled was found in the prompt"
        return Decision(Action.ALLOW, "clearance", reason, policy.digest, policy.mode)
    return decided


def judge_reader(policy: Policy, audience: Audience) -> Decision | None:
    """Why no model may be called for ``audience``, whatever is asked; ``None`` if one may."""
    if policy.unreadable is not None:
        return Decision(Action.BLOCK, "policy-unreadable", policy.unreadable, policy.digest)
    if audience.known:
        return None
    why = "the policy does not name this audience"
    decision = decide_failure(policy, audience, "unknown-audience", why)
    return decision if decision.action is Action.BLOCK else None


def blocked_before(policy: Policy, decision: Decision) -> Decision:
    """What is decided about a call of a request of which an earlier one was blocked."""
    reason = f"this request was blocked by rule {decision.rule}"
    return Decision(Action.BLOCK, "already-blocked", reason, policy.digest)


def decide_failure(policy: Policy, audience: Audience, kind: FailureKind, why: str) -> Decision:
    """What counts as decided for ``audience`` where ``kind`` has happened.

    Without a policy, and in shadow mode, nothing is enforced, and the failure is only recorded.
    """
    if policy.observe_only:
        return Decision(Action.ALLOW, kind, why, policy.digest)
    action = policy.failures.action(kind, audience)
    said = f"{why}; the policy says {action}" if action is Action.ALLOW else why
    decision = Decision(action, kind, said, policy.digest, policy.mode)
    if policy.mode == "enforce":
        return decision
    return Decision(Action.ALLOW, kind, why, policy.digest, "shadow").with_shadow(decision)


def _explained(policy: Policy, one: Attribution) -> Decision:
    if TEMPLATE in one.group:
        reason = "the application's own template says it, and so do several documents"
        return Decision(Action.ALLOW, "template", reason, policy.digest)
    reason = "all of it that is here is in other documents as well"
    return Decision(Action.ALLOW, "explained", reason, policy.digest)
