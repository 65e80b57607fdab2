"""Ruling: what one policy says about one chunk, live and in replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from operator import attrgetter

from ragtrace.model import Action, Audience, Chunk, Decision, Document, Label, Origin, Source
from ragtrace.policy._policy import Policy
from ragtrace.policy._shortlist import Shortlist, shortlist

__all__ = ["judge", "judge_each"]

# All parts of them, whichever they will be, as tuples of plain values: these hash and compare
# without a call of Python code, as the records themselves do not.
_parts_of_label = attrgetter(*(part.name for part in fields(Label)))
_parts_of_audience = attrgetter(*(part.name for part in fields(Audience)))


def judge(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> Decision:
    """What may happen to content of ``chunk`` that carries ``label``, for ``audience``.

    The first enforcing rule that matches decides. Where none does, the lattice does: what
    the audience is cleared for is allowed, a level it does not know is blocked, the rest is
    ``policy.otherwise``. Rules in
    shadow never change the decision; where they differ, theirs is recorded beside it.

    Of ``chunk`` only the ids of its source and its document count, and what it was made from: a
    derived text is judged as itself and as each of its origins, and the strictest decision names
    the document.

    Raises:
        ExpressionError: An expression of a rule came to no answer.
    """
    if chunk.origins and not chunk.released:
        return _of_derived(policy, chunk, label, audience)
    known = policy.memory.shortlists
    source = chunk.source
    asked = _asked(source, label, audience)
    left = known.get(asked) or known.keep(asked, shortlist(policy, label, audience, source))
    candidates, heads, permitted, refused, costly = left
    if costly:
        return _remembered(policy, left, chunk, label, audience)
    document = chunk.document.id
    if document.startswith(heads):
        for glob, _, decision, _ in candidates:
            if glob(document):
                return decision
    if permitted is refused or policy.lattice.permits(audience, label):
        return permitted
    return refused


def judge_each(
    policy: Policy, chunks: Sequence[Chunk], labels: Sequence[Label], audience: Audience
) -> list[Decision]:
    """``judge`` of several chunks; those of one label and source mostly get one answer.

    Raises:
        ExpressionError: An expression of a rule came to no answer.
    """
    made: list[Decision] = []
    last: Label | None = None
    source: tuple[object, ...] | None = None
    decision: Decision | None = None
    for chunk, label in zip(chunks, labels, strict=True):
        own = chunk.source.id, chunk.source.aliases
        if decision is None or label is not last or own != source or chunk.origins:
            decision = judge(policy, chunk, label, audience)
            last, source = label, own
            made.append(decision)
            if chunk.origins or _by_document(policy, chunk, label, audience):
                decision = None
        else:
            made.append(decision)
    return made


def _by_document(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> bool:
    """Whether another document of the same source and label may be decided about otherwise."""
    left = policy.memory.shortlists.get(_asked(chunk.source, label, audience))
    return left is None or bool(left.candidates)


def _asked(source: Source, label: Label, audience: Audience) -> tuple[object, ...]:
    """All that a shortlist depends on."""
    return label.level, audience.name, audience.known, source.id, source.aliases


def _of_derived(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> Decision:
    """The strictest of what is said of the text and of each origin that this part of it has."""
    inside = [one for one in chunk.origins if policy.lattice.dominates(label, one.label)]
    judged = [
        (judge(policy, _as_document(origin), origin.label, audience), origin)
        for origin in _unlike(policy, inside)
    ]
    own = judge(policy, replace(chunk, origins=()), label, audience)
    # What no rule says of a completion, rules say of the document that is as strict as it is.
    if own.rule != "otherwise" or not any(origin.label == label for origin in inside):
        judged.append((own, inside[0] if inside else chunk.origins[0]))
    decided, behind = max(judged, key=lambda said: said[0].action.strictness)
    if decided.action is Action.ALLOW:
        return decided
    return replace(decided, reason=f"{decided.reason}; it was made from {behind.document}")


def _unlike(policy: Policy, origins: Sequence[Origin]) -> Iterable[Origin]:
    """One of all origins about which ``policy`` says the same in any case."""
    if any(rule.document is not None or rule.expressions for rule in policy.rules):
        return origins
    return {(one.source, one.label): one for one in reversed(origins)}.values()


def _as_document(origin: Origin) -> Chunk:
    name, document, source = origin.digest, Document(origin.document), Source(origin.source)
    return Chunk(name, document, source, "", name, origin.label, "origin")


def _remembered(
    policy: Policy, left: Shortlist, chunk: Chunk, label: Label, audience: Audience
) -> Decision:
    """The same, decided once for all that it depends on; what a rule raises is not kept."""
    known = policy.memory.decisions
    names = (chunk.source.id, chunk.source.aliases, chunk.document.id)
    asked = (_parts_of_label(label), _parts_of_audience(audience), *names)
    made = known.get(asked)
    if made is None:
        live, shadow = _by_rules(policy, left, chunk, label, audience)
        made = known.keep(asked, _with_shadow(policy, live, shadow))
    return made


def _by_rules(
    policy: Policy, left: Shortlist, chunk: Chunk, label: Label, audience: Audience
) -> tuple[Decision, Decision | None]:
    """What is decided, and what the first rule in shadow that matches says."""
    document, shadow = chunk.document.id, None
    for glob, rule, decision, _ in left.candidates:
        if not glob(document) or (rule is not None and not rule.matches(chunk, label, audience)):
            continue
        if decision.mode == "enforce":
            return decision, shadow
        shadow = shadow or decision
    permitted = policy.lattice.permits(audience, label)
    return left.permitted if permitted else left.refused, shadow


def _with_shadow(policy: Policy, live: Decision, shadow: Decision | None) -> Decision:
    if shadow is not None and shadow.action == live.action:
        shadow = None
    if policy.mode == "enforce":
        return live.with_shadow(shadow)
    return Decision(
        Action.ALLOW, "policy-in-shadow", "the policy is in shadow mode", policy.digest, "shadow"
    ).with_shadow(shadow or Decision(live.action, live.rule, live.reason, live.policy, "shadow"))
