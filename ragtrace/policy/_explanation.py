"""Explanation: why this chunk is given this decision, for this audience."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ragtrace.model import Audience, Chunk, Decision, Label
from ragtrace.policy._policy import Policy
from ragtrace.policy._rule import Condition, Rule, spoken_of_as
from ragtrace.policy._ruling import judge

__all__ = ["Explanation", "Role", "Standing", "Tried", "Unmet", "explain"]

Role = Literal["decides", "in shadow", "no match", "not reached"]


@dataclass(frozen=True, slots=True)
class Unmet:
    """A condition of a rule that does not fit."""

    condition: Condition
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one rule.

    Attributes:
        role: ``in shadow`` for a rule that matches and only records; ``not reached`` for one
            that stands after the rule that decides.
        unmet: Why it does not match; empty where it does, also for one that was not reached.
    """

    rule: Rule
    role: Role
    unmet: tuple[Unmet, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lattice says, which counts where no rule decides.

    Attributes:
        declared: Whether the policy has the level of the text.
        above: Whether the level is above the audience's clearance.
        missing: Compartments of the text that the audience does not hold.
        unread: Whether the text is for readers the audience is not among.
    """

    permitted: bool
    declared: bool
    above: bool
    missing: frozenset[str]
    unread: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that a decision at retrieval rests on.

    Attributes:
        label: Of the whole chunk: its own joined with those of its ranges.
        tried: Every rule of the policy, in order.
        decision: What ``judge`` says.
    """

    chunk: Chunk
    audience: Audience
    label: Label
    tried: tuple[Tried, ...]
    standing: Standing
    decision: Decision

    @property
    def deciding(self) -> Rule | None:
        """The rule that decides, or would in a policy that is not in shadow mode."""
        return next((tried.rule for tried in self.tried if tried.role == "decides"), None)


def explain(policy: Policy, chunk: Chunk, audience: Audience) -> Explanation:
    """Why ``chunk`` is given its decision when it is retrieved for ``audience``.

    The decision is the one that ``judge`` makes, and each rule is matched by the code that
    ``judge`` matches it with.
    """
    label = policy.labeller.effective(chunk)
    return Explanation(
        chunk=chunk,
        audience=audience,
        label=label,
        tried=tuple(_tried(policy, chunk, label, audience)),
        standing=_standing(policy, label, audience),
        decision=judge(policy, chunk, label, audience),
    )


def _tried(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> Iterator[Tried]:
    open_still = policy.unreadable is None and not policy.observe_only
    for rule in policy.rules:
        unmet = tuple(
            _unmet(rule, condition, chunk, label, audience)
            for condition in rule.unmet(chunk, label, audience)
        )
        role: Role = "no match"
        if not open_still:
            role = "not reached"
        elif not unmet:
            role = "decides" if rule.mode == "enforce" else "in shadow"
        open_still = open_still and role != "decides"
        yield Tried(rule, role, unmet)


def _unmet(
    rule: Rule, condition: Condition, chunk: Chunk, label: Label, audience: Audience
) -> Unmet:
    match condition:
        case "label":
            expected, got = " or ".join(sorted(rule.levels)), label.level
        case "compartment":
            expected = " or ".join(sorted(rule.compartments))
            got = ", ".join(sorted(label.compartments))
        case "integrity":
            expected, got = rule.integrity or "", label.integrity
        case "audience":
            expected, got = " or ".join(sorted(rule.audiences)), spoken_of_as(audience)
        case "source":
            expected, got = rule.source or "", chunk.source.id
        case "document":
            expected, got = rule.document or "", chunk.document.id
        case "cel" | "cedar":
            expected = next(one.text for one in rule.expressions if one.language == condition)
            got = "false"
    return Unmet(condition, expected, got)


def _standing(policy: Policy, label: Label, audience: Audience) -> Standing:
    lattice = policy.lattice
    readers = Label(lattice.least, readers=label.readers)
    return Standing(
        permitted=lattice.permits(audience, label),
        declared=label.level in lattice.levels,
        above=not lattice.permits(audience, Label(label.level)),
        missing=label.compartments - audience.compartments,
        unread=not lattice.permits(audience, readers),
    )
