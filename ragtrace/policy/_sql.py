"""SQL: a policy as expressions that judge stored flows where they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ragtrace.errors import PolicyFileError
from ragtrace.model import Action, Audience
from ragtrace.policy._glob import as_re2, is_plain
from ragtrace.policy._policy import Policy
from ragtrace.policy._rule import UNNAMED_AUDIENCE, Rule

__all__ = ["Parameter", "PolicySql", "policy_as_sql"]

Parameter = str | list[str] | list[int] | list[list[str]]
"""Lists, because clients write anything else as what it is not: a tuple, or a set."""

_PREFIX: Final = "policy_"
"""Of every parameter's name, so that none is taken for one of the rest of the query."""

_NOTHING: Final = "''"


@dataclass(frozen=True, slots=True)
class PolicySql:
    """A policy as a ClickHouse expression over the columns of the table ``flows``.

    No value of the policy is in the text.

    Attributes:
        decision: A tuple of four strings: what ``judge`` decides, as ``Action`` has it; the id of
            the rule that decides it; what is recorded beside it, empty where nothing is; and the
            id of the rule that says so.
        parameters: Values of the ``{policy_N:Type}`` that it names, for the server to bind.
    """

    decision: str
    parameters: Mapping[str, Parameter]


class _Columns(NamedTuple):
    """Where it stands what a rule asks for: of a flow, or of one of its origins."""

    source: str
    document: str
    level: str
    compartments: str
    for_readers: str
    readers: str
    integrity: str


_FLOW: Final = _Columns(
    "Source", "Document", "Level", "Compartments", "ForReaders", "Readers", "Integrity"
)
_ORIGIN: Final = _Columns(*(f"origin.{name}" for name in _Columns._fields))

_ACTIONS: Final = ", ".join(f"'{action}'" for action in Action)
"""From the least strict on."""


class _Answer(NamedTuple):
    """One way to decide: where ``condition`` holds, ``action`` by ``rule``."""

    condition: str
    action: str
    rule: str


def policy_as_sql(policy: Policy, name: str = "policy.yaml") -> PolicySql:
    """``policy`` as SQL, which decides about each flow as ``judge`` does.

    A derived text is judged as itself and as each of its origins within its label, unless it was
    released. The audience that a flow names is the one that this policy knows by that name; one
    that it does not know is least cleared. Its tenant is held as the compartment
    ``tenant:NAME``, its user is the principal. Groups are those of the policy: what groups a
    request had beside them is not stored.

    Args:
        policy: Decides.
        name: The path of its file, for messages.

    Raises:
        PolicyFileError: A rule has a condition in CEL or Cedar; the message names the line.
    """
    if policy.unreadable is not None:
        return PolicySql("('block', 'policy-unreadable', '', '')", {})
    if policy.observe_only:
        return PolicySql("('allow', 'no-policy', '', '')", {})
    bound = _Bound()
    own = ", ".join(_decided(policy, _FLOW, bound, name))
    each = ", ".join(_decided(policy, _ORIGIN, bound, name))
    inside = f"arrayFilter(origin -> {_within(policy, bound)}, Origins)"
    if not any(rule.document is not None for rule in policy.rules):
        inside = f"arrayReverse({inside})"  # as the judge looks through them
    # An array of one element is how an expression is given a name.
    said = (
        f"arrayMap((own, inside) -> arrayConcat(arrayMap(origin -> ({each}), inside), "
        f"if(own.2 != 'otherwise' OR NOT arrayExists(origin -> {_ALIKE}, inside), [own], [])), "
        f"[({own})], [{inside}])[1]"
    )
    strict = f"indexOf([{_ACTIONS}], one.1)"
    first = f"arrayFirst(one -> {strict} = arrayMax(one -> {strict}, judged), judged)"
    derived = f"arrayMap(judged -> {first}, [{said}])[1]"
    decision = f"if(empty(Origins) OR Released != '', ({own}), {derived})"
    return PolicySql(decision, bound.parameters)


def _decided(policy: Policy, of: _Columns, bound: _Bound, name: str) -> tuple[str, str, str, str]:
    """Action and rule, and what is recorded beside them, of what stands in these columns."""
    answers = [(rule.mode, _by_rule(policy, rule, of, bound, name)) for rule in policy.rules]
    action, rule = _first(
        [
            *(answer for mode, answer in answers if mode == "enforce"),
            *_by_lattice(policy, of, bound),
        ]
    )
    # An enforcing rule that comes before it keeps a rule in shadow from being asked.
    beside, by = _first(
        [
            *(
                answer if mode == "shadow" else _Answer(answer.condition, _NOTHING, _NOTHING)
                for mode, answer in answers
            ),
            _Answer("1", _NOTHING, _NOTHING),
        ]
    )
    if policy.mode == "enforce":
        same = f"{beside} = {action}"
        return action, rule, f"if({same}, '', {beside})", f"if({same}, '', {by})"
    same = f"{beside} IN ('', {action})"
    shadow = f"if({same}, {action}, {beside})", f"if({same}, {rule}, {by})"
    return "'allow'", "'policy-in-shadow'", *shadow


@dataclass(slots=True)
class _Bound:
    """The values that the text names."""

    parameters: dict[str, Parameter] = field(default_factory=dict)

    def __call__(self, value: Parameter, type: str = "Array(String)") -> str:
        name = f"{_PREFIX}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{type}}}"


def _first(answers: Sequence[_Answer]) -> tuple[str, str]:
    """The action and the rule of the first answer that holds; the last one always does."""
    *asked, last = answers
    if not asked:
        return last.action, last.rule
    actions = ", ".join(f"{one.condition}, {one.action}" for one in asked)
    rules = ", ".join(f"{one.condition}, {one.rule}" for one in asked)
    return f"multiIf({actions}, {last.action})", f"multiIf({rules}, {last.rule})"


def _by_rule(policy: Policy, rule: Rule, of: _Columns, bound: _Bound, name: str) -> _Answer:
    for expression in rule.expressions:
        raise PolicyFileError(
            f"{name}:{rule.line}: the rule {rule.id!r} has a condition in {expression.language}, "
            "expected only such as can be said in SQL: label, compartment, integrity, audience, "
            "source, document"
        )
    conditions = []
    if rule.levels:
        conditions.append(f"{of.level} IN {bound(sorted(rule.levels))}")
    if rule.compartments:
        conditions.append(f"hasAny({of.compartments}, {bound(sorted(rule.compartments))})")
    if rule.integrity is not None:
        conditions.append(f"{of.integrity} = {bound(rule.integrity, 'String')}")
    if rule.audiences:
        conditions.append(_spoken_of(policy, rule, bound))
    conditions += [
        _fits(column, glob, bound)
        for column, glob in ((of.source, rule.source), (of.document, rule.document))
        if glob is not None
    ]
    fits = f"({' AND '.join(conditions)})" if conditions else "1"
    return _Answer(fits, bound(str(rule.action), "String"), bound(rule.id, "String"))


def _spoken_of(policy: Policy, rule: Rule, bound: _Bound) -> str:
    named = f"Audience IN {bound(sorted(rule.audiences & policy.audiences.keys()))}"
    if UNNAMED_AUDIENCE not in rule.audiences:
        return named
    return f"({named} OR Audience NOT IN {bound(sorted(policy.audiences))})"


def _fits(column: str, glob: str, bound: _Bound) -> str:
    if is_plain(glob):
        return f"{column} = {bound(glob, 'String')}"
    return f"match({column}, {bound(as_re2(glob), 'String')})"


def _by_lattice(policy: Policy, of: _Columns, bound: _Bound) -> list[_Answer]:
    # Whoever the policy does not name has place 1, where an array that lacks a name has none.
    who = [policy.audience(None), *map(policy.audience, policy.audiences)]
    place = f"indexOf({bound(list(policy.audiences))}, Audience) + 1"
    levels = bound(list(policy.lattice.levels))
    failed = bound([str(policy.failures.action("unknown-level", one)) for one in who])
    return [
        _Answer(f"({of.level} NOT IN {levels})", f"{failed}[{place}]", "'unknown-level'"),
        _Answer(f"({_permits(policy, who, of, place, levels, bound)})", "'allow'", "'clearance'"),
        _Answer("1", bound(str(policy.otherwise), "String"), "'otherwise'"),
    ]


def _permits(
    policy: Policy,
    who: Sequence[Audience],
    of: _Columns,
    place: str,
    levels: str,
    bound: _Bound,
) -> str:
    """The lattice's ``permits``, of a level that it knows."""
    known = policy.lattice.levels
    cleared = bound(
        [1 + known.index(one.clearance) if one.clearance in known else 1 for one in who],
        "Array(UInt32)",
    )
    held = bound([sorted(one.compartments) for one in who], "Array(Array(String))")
    groups = bound([sorted(one.groups) for one in who], "Array(Array(String))")
    return (
        f"indexOf({levels}, {of.level}) <= {cleared}[{place}]"
        f" AND arrayAll(one -> has({held}[{place}], one)"
        f" OR (Tenant != '' AND one = concat('tenant:', Tenant)), {of.compartments})"
        f" AND (NOT {of.for_readers} OR (User != '' AND has({of.readers}, User))"
        f" OR hasAny({of.readers}, {groups}[{place}]))"
    )


def _within(policy: Policy, bound: _Bound) -> str:
    """Whether the label of the flow dominates that of ``origin``, as the lattice has it."""
    levels = bound(list(policy.lattice.levels))
    last = 1 + len(policy.lattice.levels)
    own, its = (
        f"if({level} IN {levels}, indexOf({levels}, {level}), {last})"
        for level in (_FLOW.level, _ORIGIN.level)
    )
    return (
        f"({own} > {its} OR ({own} = {its} AND ({own} < {last} OR Level >= origin.level)))"
        " AND hasAll(Compartments, origin.compartments)"
        " AND (NOT origin.for_readers OR (ForReaders AND hasAll(origin.readers, Readers)))"
        " AND (origin.integrity != 'untrusted' OR Integrity = 'untrusted')"
    )


_ALIKE: Final = (
    "(origin.level = Level AND origin.integrity = Integrity AND origin.for_readers = ForReaders"
    " AND hasAll(Compartments, origin.compartments) AND hasAll(origin.compartments, Compartments)"
    " AND hasAll(Readers, origin.readers) AND hasAll(origin.readers, Readers))"
)
"""Whether the label of ``origin`` is that of the flow."""
