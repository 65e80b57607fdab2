"""Lint: what a valid policy says that its author may not mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from ragtrace.labels import PiiFinder, Registry
from ragtrace.model import Action, Audience, Label
from ragtrace.policy._glob import covers
from ragtrace.policy._lines import LinedYaml
from ragtrace.policy._policy import Policy
from ragtrace.policy._rule import UNNAMED_AUDIENCE, Rule
from ragtrace.policy._transformations import WIDE

__all__ = ["Concern", "ConcernId", "lint"]

ConcernId = Literal[
    "never-decides",
    "hole",
    "nobody-cleared",
    "no-effect",
    "shadow-mode",
    "otherwise-allows",
    "wide-transformation",
]

_UNDECLARED: Final = ""
"""Stands for every level that the policy does not declare; no name is empty."""

_Pairs = set[tuple[str, str]]
"""Levels and audiences, as rules name them."""

_Place = Sequence[str | int]
"""Keys and indexes that lead to a value of the file."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing to look at again.

    Attributes:
        line: Of the policy file, counted from 1; ``None`` where it was not given.
    """

    id: ConcernId
    sentence: str
    line: int | None = None


def lint(policy: Policy, lined: LinedYaml | None = None) -> tuple[Concern, ...]:
    """What to look at again in ``policy``, in the order of its lines.

    A rule is said never to decide only where that is certain, whatever is retrieved.

    Args:
        policy: As it was read.
        lined: The file it was read from, for line numbers.
    """
    concerns = [
        Concern(id, sentence, lined.line(place) if lined is not None else None)
        for id, sentence, place in _concerns(policy)
    ]
    return tuple(sorted(concerns, key=lambda concern: concern.line or 0))


def _concerns(policy: Policy) -> Iterator[tuple[ConcernId, str, _Place]]:
    if policy.mode == "shadow":
        yield "shadow-mode", "the policy is in shadow mode: nothing is enforced", ["mode"]
    yield from _levels(policy)
    yield from _labellers(policy)
    yield from _rules(policy)
    yield from _transformations(policy)
    if policy.otherwise is Action.ALLOW:
        sentence = "content above the clearance of its audience is allowed where no rule names it"
        yield "otherwise-allows", sentence, ["otherwise"]


def _levels(policy: Policy) -> Iterator[tuple[ConcernId, str, _Place]]:
    lattice = policy.lattice
    highest = max((lattice.rank(a.clearance) for a in policy.audiences.values()), default=0)
    for place, level in enumerate(lattice.levels):
        if place > highest:
            yield "nobody-cleared", f"no audience is cleared for {level!r}", ["levels", place]


def _labellers(policy: Policy) -> Iterator[tuple[ConcernId, str, _Place]]:
    """Rules that give the least level, which every text has anyway.

    A source that is named by a rule is not unlabelled, so that a rule with the least level
    has its effect where unlabelled text has a higher one.
    """
    nothing = Label(policy.lattice.least)
    sentence = "every text has at least the level {!r}: the rule {!r} changes nothing"
    if policy.labeller.unlabelled == policy.lattice.least:
        for place, source in enumerate(policy.labeller.sources):
            if source.label == nothing:
                yield "no-effect", sentence.format(nothing.level, source.id), ["sources", place]
    for place, section in enumerate(policy.labeller.sections):
        if section.label == nothing:
            yield "no-effect", sentence.format(nothing.level, section.id), ["sections", place]


def _rules(policy: Policy) -> Iterator[tuple[ConcernId, str, _Place]]:
    for place, rule in enumerate(policy.rules):
        left, before = _left(policy, rule, policy.rules[:place])
        if not left:
            who = ", ".join(repr(earlier.id) for earlier in before)
            sentence = f"the rule {rule.id!r} never decides: all it matches is decided by {who}"
            yield "never-decides", sentence, ["rules", place]
        elif rule.action is Action.ALLOW and rule.mode == "enforce":
            if opened := _opened(policy, left):
                where = " where its expression fits" if rule.expressions else ""
                sentence = f"a hole{where}: the rule {rule.id!r} allows {opened}"
                yield "hole", sentence, ["rules", place]


def _transformations(policy: Policy) -> Iterator[tuple[ConcernId, str, _Place]]:
    for place, step in enumerate(policy.transformations.values()):
        if not step.fits(WIDE + 1):
            continue
        bound = "of any length" if step.at_most is None else f"of up to {step.at_most} characters"
        sentence = f"a hole: answers {bound} of {step.id!r} are at most {step.label.level!r}"
        yield "wide-transformation", sentence, ["transformations", place]


def _left(policy: Policy, rule: Rule, earlier: Sequence[Rule]) -> tuple[_Pairs, list[Rule]]:
    """What of ``rule`` the enforcing rules before it leave, and those that take of it."""
    left, before = _asked(policy, rule), []
    for other in earlier:
        wide = other.mode == "enforce" and _asks_no_more(other, rule)
        taken = left & _asked(policy, other) if wide else set()
        if taken:
            left -= taken
            before.append(other)
    return left, before


def _asks_no_more(other: Rule, rule: Rule) -> bool:
    """Whether ``other`` surely fits all that ``rule`` fits, but for levels and audiences."""
    return (
        covers(other.source, rule.source)
        and covers(other.document, rule.document)
        and (
            not other.compartments
            or (bool(rule.compartments) and rule.compartments <= other.compartments)
        )
        and other.integrity in (None, rule.integrity)
        and set(other.expressions) <= set(rule.expressions)
    )


def _asked(policy: Policy, rule: Rule) -> _Pairs:
    levels = rule.levels or {*policy.lattice.levels, _UNDECLARED}
    audiences = rule.audiences or {*policy.audiences, UNNAMED_AUDIENCE}
    return set(product(levels, audiences))


def _opened(policy: Policy, pairs: _Pairs) -> str:
    """In words, what of ``pairs`` the lattice would not permit; empty where it permits all."""
    parts = []
    named = _compartments(policy)
    for name in sorted({audience for _, audience in pairs}):
        levels = {level for level, audience in pairs if audience == name}
        for audience in _called(policy, name):
            above = [
                repr(level) if level else "undeclared levels"
                for level in (*policy.lattice.levels, _UNDECLARED)
                if level in levels and not policy.lattice.permits(audience, Label(level))
            ]
            above += [f"compartment {one!r}" for one in sorted(named - audience.compartments)]
            if above:
                parts.append(f"{name} {', '.join(above)}")
    return "; ".join(parts)


def _called(policy: Policy, name: str) -> list[Audience]:
    """The audiences that rules call ``name``: a policy may itself name one ``unknown``."""
    found = [policy.audience(name)] if name in policy.audiences else []
    return [*found, policy.audience(None)] if name == UNNAMED_AUDIENCE else found


def _compartments(policy: Policy) -> frozenset[str]:
    """Those that the policy gives to text or to an audience; tenants are not known to it."""
    labels = [rule.label for rule in policy.labeller.sources]
    labels += [rule.label for rule in policy.labeller.sections]
    held = [audience.compartments for audience in policy.audiences.values()]
    found = [_of_personal_data(policy.labeller.pii), _of_registry(policy.labeller.registry)]
    return frozenset().union(*(label.compartments for label in labels), *held, *found)


def _of_personal_data(finder: PiiFinder | None) -> frozenset[str]:
    if finder is None:
        return frozenset()
    name = finder.rule.compartment
    kinds = finder.rule.entities if finder.rule.by_entity else ()
    return frozenset({f"{name}:{kind}" for kind in kinds} or {name})


def _of_registry(registry: Registry | None) -> frozenset[str]:
    known = registry.texts.values() if registry is not None else ()
    labels = {one.label for one in known if one.label is not None}
    labels |= {part.label for one in known for part in one.ranges}
    return frozenset().union(*(label.compartments for label in labels))
