"""Shortlist: what a policy has left to ask once level, audience and source are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from fnmatch import translate
from typing import Final, NamedTuple

from ragtrace.model import Action, Audience, Decision, Label, Source
from ragtrace.policy._policy import Policy
from ragtrace.policy._rule import Rule, spoken_of_as

__all__ = ["Candidate", "Shortlist", "shortlist"]

_SEEN_TO: Final = frozenset(
    {"id", "action", "levels", "audiences", "source", "document", "mode", "reason", "line"}
)
"""Parts of a rule that are seen to here. Whatever else a rule may ask, it is asked itself."""

_ANY: Final = re.compile("").match
"""The glob of a rule that speaks of all documents."""

_SPECIAL: Final = re.compile(r"[*?[]")
"""What does not stand for itself in a glob."""

_CHEAP: Final = 4
"""Rules with a glob that are asked again each time: looking up what they said costs as much."""


class Candidate(NamedTuple):
    """A rule whose level, audience and source fit.

    Attributes:
        glob: Gives ``None`` for the id of a document that the rule does not speak of.
        rule: To be asked where it has conditions of other kinds, else ``None``.
        decision: What it says.
        head: What an id begins with that the glob fits.
    """

    glob: Callable[[str], object]
    rule: Rule | None
    decision: Decision
    head: str

    @property
    def settled(self) -> bool:
        """Whether it decides about every document: no rule after it is ever reached."""
        return self.glob is _ANY and self.rule is None and self.decision.mode == "enforce"


class Shortlist(NamedTuple):
    """What is left of a policy.

    Attributes:
        candidates: Rules in order, up to the first enforcing one that fits in any case.
        heads: What the id of a document begins with that any of them speaks of.
        permitted: What is decided where none of them enforces and the lattice permits.
        refused: The same where it does not permit.
        costly: Whether what comes of it is worth being remembered. Where it is not, all that is
            left to ask are the globs of a few enforcing rules.
    """

    candidates: tuple[Candidate, ...]
    heads: tuple[str, ...]
    permitted: Decision
    refused: Decision
    costly: bool = False


def shortlist(policy: Policy, label: Label, audience: Audience, source: Source) -> Shortlist:
    """Of ``policy``, for all chunks of this source and level and all audiences of this name."""
    in_any_case = _without_rules(policy)
    if in_any_case is not None:
        return Shortlist((), (), in_any_case, in_any_case)
    candidates: list[Candidate] = []
    permitted, refused = _by_lattice(policy, label, audience)
    for candidate in _candidates(policy, label, audience, source):
        if candidate.settled:
            permitted = refused = candidate.decision
            break
        candidates.append(candidate)
    heads = tuple(one.head for one in candidates)
    return Shortlist(tuple(candidates), heads, permitted, refused, _costly(policy, candidates))


def _without_rules(policy: Policy) -> Decision | None:
    """What a policy says about everything that has no rules to ask."""
    if policy.unreadable is not None:
        return Decision(Action.BLOCK, "policy-unreadable", policy.unreadable, policy.digest)
    if policy.observe_only:
        return Decision(Action.ALLOW, "no-policy", "no policy was given", mode="shadow")
    return None


def _candidates(
    policy: Policy, label: Label, audience: Audience, source: Source
) -> Iterator[Candidate]:
    name = spoken_of_as(audience)
    for rule in policy.rules:
        if (
            (not rule.levels or label.level in rule.levels)
            and (not rule.audiences or name in rule.audiences)
            and (rule.source is None or source.fits(rule.source))
        ):
            glob = _ANY if rule.document is None else re.compile(translate(rule.document)).match
            reason = rule.reason or f"rule {rule.id} says {rule.action}"
            decision = Decision(rule.action, rule.id, reason, policy.digest, rule.mode)
            head = _SPECIAL.split(rule.document or "", maxsplit=1)[0]
            yield Candidate(glob, rule if _asks_more(rule) else None, decision, head)


def _asks_more(rule: Rule) -> bool:
    return any(
        getattr(rule, part.name) != part.default
        for part in fields(rule)
        if part.name not in _SEEN_TO
    )


def _costly(policy: Policy, candidates: Sequence[Candidate]) -> bool:
    return (
        policy.mode != "enforce"
        or len(candidates) > _CHEAP
        or any(one.rule is not None or one.decision.mode != "enforce" for one in candidates)
    )


def _by_lattice(policy: Policy, label: Label, audience: Audience) -> tuple[Decision, Decision]:
    """What is said where the lattice permits, and where it does not."""
    if label.level not in policy.lattice.levels:
        reason = f"the policy has no level {label.level}"
        action = policy.failures.action("unknown-level", audience)
        unknown = Decision(action, "unknown-level", reason, policy.digest)
        return unknown, unknown
    return (
        Decision(Action.ALLOW, "clearance", f"{audience.name} is cleared", policy.digest),
        Decision(
            policy.otherwise,
            "otherwise",
            f"{label.level} is above what {audience.name} is cleared for",
            policy.digest,
        ),
    )
