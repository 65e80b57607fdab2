"""Case: one example of what a policy should decide, and whether it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragtrace.model import Action, Chunk, Document, Passage
from ragtrace.policy._explanation import Explanation, explain
from ragtrace.policy._policy import Policy
from ragtrace.policy._rule import Rule

__all__ = [
    "Case",
    "Coverage",
    "Difference",
    "Expectation",
    "Outcome",
    "coverage",
    "label_as",
    "try_case",
]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects; ``None`` where it does not say.

    Attributes:
        rule: Id of the rule that decides, or one of ragtrace's own, as ``clearance``.
        level: Of the whole chunk.
        shadow: What is recorded beside the decision; its own ``level`` and ``shadow`` say nothing.
    """

    action: Action
    rule: str | None = None
    level: str | None = None
    shadow: Expectation | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A passage, who it is retrieved for, and what should be decided.

    Attributes:
        document: Its id; ``None`` for the one that the labeller reads off the passage.
        audience: Name, also one that the policy does not know.
        line: Where it stands in its file, counted from 1; 0 where it has no file.
    """

    name: str
    passage: Passage
    audience: str
    expect: Expectation
    document: str | None = None
    principal: str | None = None
    tenant: str | None = None
    groups: frozenset[str] = frozenset()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of an expectation that is otherwise."""

    what: Literal["action", "rule", "level", "shadow action", "shadow rule"]
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case; without differences it has passed."""

    case: Case
    explanation: Explanation
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which rules the cases have shown at work.

    Attributes:
        shown: Enforcing rules that decided a case, and rules in shadow that matched one.
        beaten: Others that would match a case, in each of which an earlier rule decided.
        unmatched: Rules that match no case.
        silent: Rules for labels, as ``source:ID`` and ``section:ID``, that label no case. They
            are no part of the percentage.
    """

    shown: tuple[Rule, ...]
    beaten: tuple[Rule, ...]
    unmatched: tuple[Rule, ...]
    silent: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Of the rules of the policy, those shown; 100 for a policy without rules."""
        count = len(self.shown) + len(self.beaten) + len(self.unmatched)
        return 100 * len(self.shown) / count if count else 100.0


def label_as(policy: Policy, passage: Passage, document: str | None) -> Chunk:
    """The chunk that ``passage`` is under ``policy``, said to be of ``document``."""
    chunk = policy.labeller.label(passage)
    if document is None:
        return chunk
    return replace(chunk, document=Document(document, chunk.document.uri))


def try_case(policy: Policy, case: Case) -> Outcome:
    """Whether ``policy`` decides as ``case`` expects, when it is enforced.

    A policy in shadow mode allows everything; what there is to test is what it would do.
    """
    enforced = replace(policy, mode="enforce")
    chunk = label_as(enforced, case.passage, case.document)
    audience = enforced.audience(
        case.audience, principal=case.principal, tenant=case.tenant, groups=case.groups
    )
    explanation = explain(enforced, chunk, audience)
    expect, decision = case.expect, explanation.decision
    compared = [
        Difference("action", expect.action, decision.action),
        Difference("rule", expect.rule or decision.rule, decision.rule),
        Difference("level", expect.level or explanation.label.level, explanation.label.level),
    ]
    if (beside := expect.shadow) is not None:
        action, rule = (
            (decision.shadow.action, decision.shadow.rule) if decision.shadow else ("none", "none")
        )
        compared.append(Difference("shadow action", beside.action, action))
        compared.append(Difference("shadow rule", beside.rule or rule, rule))
    return Outcome(case, explanation, tuple(d for d in compared if d.expected != d.got))


def coverage(policy: Policy, outcomes: Sequence[Outcome]) -> Coverage:
    """Which rules of ``policy`` were at work in ``outcomes``."""
    tried = [one for outcome in outcomes for one in outcome.explanation.tried]
    bases = [f"+{outcome.explanation.chunk.basis}+" for outcome in outcomes]
    labelling = [f"source:{rule.id}" for rule in policy.labeller.sources]
    labelling += [f"section:{rule.id}" for rule in policy.labeller.sections]
    shown = {one.rule for one in tried if one.role in ("decides", "in shadow")}
    matched = {one.rule for one in tried if not one.unmet}
    return Coverage(
        shown=tuple(rule for rule in policy.rules if rule in shown),
        beaten=tuple(rule for rule in policy.rules if rule in matched - shown),
        unmatched=tuple(rule for rule in policy.rules if rule not in matched),
        silent=tuple(one for one in labelling if not any(f"+{one}+" in said for said in bases)),
    )
