"""The judge says what a plain reading of the rules says, however little of them it looks at."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragtrace.labels import LabelKeys, Labeller, Lattice
from ragtrace.model import Action, Audience, Chunk, Decision, Document, Label, Source
from ragtrace.policy import Policy, Rule, judge
from ragtrace.policy._memory import MAX_DECISIONS, MAX_SHORTLISTS, Kept
from tests.prose import chunk

LEVELS = ("public", "internal", "secret")
LATTICE = Lattice(LEVELS)
CUSTOMER = Audience("customer", "public")
LABELLER = Labeller(LATTICE, LabelKeys(), (), (), "secret")


@dataclass(frozen=True)
class OfPrincipal:
    """An expression: whether the reader's name is that of the document."""

    language: Any = "cel"
    text: str = "principal"

    def fits(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        return chunk.document.id == audience.principal


def plainly(policy: Policy, chunk: Chunk, label: Label, audience: Audience) -> Decision:
    """What the rules say, read one after the other."""
    if policy.unreadable is not None:
        return Decision(Action.BLOCK, "policy-unreadable", policy.unreadable, policy.digest)
    if policy.observe_only:
        return Decision(Action.ALLOW, "no-policy", "no policy was given", mode="shadow")
    fitting = [rule for rule in policy.rules if rule.matches(chunk, label, audience)]
    said = [
        Decision(r.action, r.id, r.reason or f"rule {r.id} says {r.action}", policy.digest, r.mode)
        for r in fitting
    ]
    if label.level not in policy.lattice.levels:
        reason = f"the policy has no level {label.level}"
        by_lattice = Decision(Action.BLOCK, "unknown-level", reason, policy.digest)
    elif policy.lattice.permits(audience, label):
        reason = f"{audience.name} is cleared"
        by_lattice = Decision(Action.ALLOW, "clearance", reason, policy.digest)
    else:
        reason = f"{label.level} is above what {audience.name} is cleared for"
        by_lattice = Decision(policy.otherwise, "otherwise", reason, policy.digest)
    live = next((one for one in said if one.mode == "enforce"), by_lattice)
    before = said[: said.index(live)] if live in said else said
    shadow = next((one for one in before if one.mode == "shadow"), None)
    if shadow is not None and shadow.action == live.action:
        shadow = None
    if policy.mode == "enforce":
        return replace(live, shadow=shadow)
    reason = "the policy is in shadow mode"
    return Decision(
        Action.ALLOW,
        "policy-in-shadow",
        reason,
        policy.digest,
        "shadow",
        shadow or replace(live, mode="shadow"),
    )


def policy_with(*rules: Rule) -> Policy:
    return Policy(LATTICE, LABELLER, rules=rules)


def some(*names: str) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names), max_size=2)


RULES = st.lists(
    st.builds(
        Rule,
        id=st.uuids().map(str),
        action=st.sampled_from(list(Action)),
        levels=some(*LEVELS, "unheard-of"),
        audiences=some("customer", "staff", "unknown"),
        source=st.sampled_from([None, None, "kb/*", "*/x", "kb/[xy]", "k?/x", "KB/*"]),
        document=st.sampled_from([None, None, "a*", "*b", "[!a]*", "a\n*", "ab", "a.b"]),
        mode=st.sampled_from(["enforce", "enforce", "shadow"]),
        reason=st.sampled_from(["", "why"]),
        compartments=some("pii", "legal"),
        integrity=st.sampled_from([None, None, "trusted", "untrusted"]),
        expressions=st.sampled_from([(), (), (OfPrincipal(),)]),
    ),
    max_size=12,
)
POLICIES = st.builds(
    Policy,
    lattice=st.just(LATTICE),
    labeller=st.just(LABELLER),
    rules=RULES.map(tuple),
    otherwise=st.sampled_from(list(Action)),
    mode=st.sampled_from(["enforce", "enforce", "shadow"]),
    observe_only=st.sampled_from([False] * 9 + [True]),
    unreadable=st.sampled_from([None] * 9 + ["why"]),
    digest=st.sampled_from(["", "d"]),
)
NAMES = st.sampled_from(["ab", "a.b", "acb", "b", "a\nb", ""])
LABELS = st.builds(
    Label,
    st.sampled_from([*LEVELS, "unheard-of"]),
    some("pii", "legal"),
    st.none() | some("ab", "b", "group"),
    st.sampled_from(["trusted", "untrusted"]),
)
AUDIENCES = st.builds(
    Audience,
    name=st.sampled_from(["customer", "staff", "partner", "unknown"]),
    clearance=st.sampled_from(LEVELS),
    compartments=some("pii", "legal"),
    principal=st.none() | NAMES,
    groups=some("group", "b"),
    known=st.booleans(),
)
CHUNKS = st.builds(
    lambda source, document: replace(chunk("text"), source=source, document=document),
    st.sampled_from(["kb/x", "kb/y", "ks/x", "crm/x", ""]).map(Source),
    NAMES.map(Document),
)


@given(POLICIES, st.lists(st.tuples(CHUNKS, LABELS, AUDIENCES), min_size=1, max_size=12))
def test_the_judge_reads_the_rules_as_they_stand(
    policy: Policy, asked: list[tuple[Chunk, Label, Audience]]
) -> None:
    """Whatever was asked before, also the same: action, rule, reason, mode, and the shadow."""
    for one, label, audience in [*asked, *asked]:
        assert judge(policy, one, label, audience) == plainly(policy, one, label, audience)


GLOBS = st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "["]), max_size=3)


@given(st.lists(GLOBS.map("".join), max_size=3), st.text("ab[", max_size=3))
@example(["b", "a?"], "ab")
@example(["b", "a[ab]"], "ab")
@example(["b", "a*"], "ab")
def test_a_glob_on_the_document_means_what_the_rule_means(globs: list[str], name: str) -> None:
    """Wherever in it the stars, marks and sets stand."""
    policy = policy_with(*(Rule(glob, Action.DROP, document=glob) for glob in globs))
    asked = replace(chunk("text"), document=Document(name)), Label("public"), CUSTOMER
    assert judge(policy, *asked) == plainly(policy, *asked)


@given(POLICIES, st.tuples(CHUNKS, LABELS, AUDIENCES), RULES)
def test_a_changed_policy_remembers_nothing(
    policy: Policy, asked: tuple[Chunk, Label, Audience], rules: list[Rule]
) -> None:
    """What was decided under the old rules is not said under new ones."""
    judge(policy, *asked)
    changed = replace(policy, rules=tuple(rules), digest="other")
    assert judge(changed, *asked) == plainly(changed, *asked)
    assert changed == replace(policy, rules=tuple(rules), digest="other"), "memory does not count"


def test_an_unknown_audience_is_not_taken_for_the_known_one_of_its_name() -> None:
    """Nor the known one for it, whoever comes first."""
    policy = policy_with(Rule("r", Action.DROP, audiences=frozenset({"staff"})))
    staff, stranger = (Audience("staff", "public", known=known) for known in (True, False))
    said = [judge(policy, chunk("text"), Label("public"), a).rule for a in (staff, stranger, staff)]
    assert said == ["r", "clearance", "r"]


class Seen:
    """An expression that notes what it is asked about."""

    language: Any = "cel"
    text = "seen"

    def __init__(self, *errors: Exception) -> None:
        self.asked: list[tuple[Chunk, Label, Audience]] = []
        self.errors = list(errors)

    def fits(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        self.asked.append((chunk, label, audience))
        if self.errors:
            raise self.errors.pop()
        return True


OTHER = {
    str: "other",
    bool: False,
    frozenset: frozenset({"other"}),
    type(None): frozenset({"other"}),
}


@pytest.mark.parametrize("record", [Label("public"), Audience("staff", "public", principal="me")])
def test_an_expression_is_asked_about_everything_that_is_new(record: Any) -> None:
    """Whichever part of the label or the audience differs, an older decision is not taken."""
    for part in fields(record):
        seen = Seen()
        policy = policy_with(Rule("r", Action.DROP, expressions=(seen,)))
        other = replace(record, **{part.name: OTHER[type(getattr(record, part.name))]})
        for one in (record, other, record, other):
            label = one if isinstance(one, Label) else Label("public")
            audience = one if isinstance(one, Audience) else Audience("staff", "public")
            judge(policy, chunk("text"), label, audience)
        assert len(seen.asked) == 2, part.name


def test_an_expression_is_asked_once_about_the_same() -> None:
    """The same source, document, label and audience, in whatever objects, get the same answer."""
    seen = Seen()
    policy = policy_with(Rule("r", Action.DROP, expressions=(seen,)))
    for document in ("a", "a", "b", "a"):
        one = replace(chunk("text"), document=Document(document))
        judge(policy, one, Label("public"), Audience("staff", "public"))
    assert len(seen.asked) == 2


def test_an_expression_that_failed_is_asked_again() -> None:
    """The failure comes out, and is no answer."""
    policy = policy_with(Rule("r", Action.DROP, expressions=(Seen(RuntimeError("once")),)))
    asked = chunk("text"), Label("public"), Audience("staff", "public")
    with pytest.raises(RuntimeError, match="once"):
        judge(policy, *asked)
    assert judge(policy, *asked).rule == "r"


def test_what_is_remembered_is_bounded() -> None:
    """However many documents, sources and audiences come by."""
    rule = Rule("r", Action.DROP, expressions=(Seen(),))
    policy = policy_with(rule)
    for number in range(MAX_DECISIONS + 10):
        one = replace(
            chunk("text"), document=Document(str(number)), source=Source(str(number % 2_000))
        )
        assert judge(policy, one, Label("public"), Audience("staff", "public")).rule == "r"
    assert 0 < len(policy.memory.decisions) <= MAX_DECISIONS
    assert 0 < len(policy.memory.shortlists) <= MAX_SHORTLISTS


def test_a_full_memory_starts_anew() -> None:
    """The answer that found no room is kept."""
    kept: Kept[int, str] = Kept(2)
    assert [kept.keep(number, str(number)) for number in range(3)] == ["0", "1", "2"]
    assert dict(kept) == {2: "2"}


def calls_of(*asked: Any) -> int:
    """Calls of Python code for one judgement of each."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        for one in asked:
            judge(*one)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("expressions", [(), (OfPrincipal(),)], ids=["globs", "expressions"])
def test_ten_chunks_under_fifty_rules_take_few_calls(expressions: Any) -> None:
    """At most three for each chunk, once its source is known; expressions, once it is."""
    rules = [
        Rule(
            f"r{number}",
            Action.DROP,
            frozenset({LEVELS[number % 3]}),
            frozenset({("customer", "staff")[number % 2]}),
            f"kb{number % 5}/*",
            f"doc{number}-*",
            expressions=expressions,
        )
        for number in range(50)
    ]
    policy = policy_with(*rules)
    staff = Audience("staff", "secret")
    asked = []
    for number in range(10):
        one = replace(
            chunk("text"), source=Source(f"kb{number % 5}/x"), document=Document(f"doc{number}-1")
        )
        asked.append((policy, one, Label(LEVELS[number % 3]), staff))
    assert calls_of(*asked) > 100, "the first time all rules are looked at"
    assert calls_of(*asked) <= 3 * len(asked)
