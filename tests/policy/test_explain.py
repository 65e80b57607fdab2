"""What an explanation promises: the judge's own decision, and all that it rests on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.model import Action, Audience, Chunk, Document, Label, Source
from ragtrace.policy import Explanation, Policy, Unmet, explain, judge, parse_policy
from tests.prose import chunk

LEVELS = ["public", "internal", "secret"]
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "label": st.lists(st.sampled_from(LEVELS), min_size=1, max_size=2, unique=True),
        "audience": st.sampled_from(["customer", "staff", "unknown"]),
        "source": st.sampled_from(["kb/*", "crm/*", "*"]),
        "document": st.sampled_from(["a*", "?b", "ab"]),
    },
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "when": CONDITIONS,
            "decide": st.sampled_from([str(action) for action in Action]),
            "mode": st.sampled_from(["enforce", "shadow"]),
        }
    ),
    max_size=6,
).map(lambda rules: [{"id": f"r{place}"} | rule for place, rule in enumerate(rules)])
POLICIES = st.fixed_dictionaries(
    {"rules": RULES},
    optional={
        "mode": st.sampled_from(["enforce", "shadow"]),
        "otherwise": st.sampled_from([str(action) for action in Action]),
    },
)
LABELS = st.builds(
    Label,
    st.sampled_from([*LEVELS, "unheard-of"]),
    st.sets(st.sampled_from(["pii", "tenant:acme"])).map(frozenset),
    st.none() | st.sets(st.sampled_from(["ann", "retail"])).map(frozenset),
)
CHUNKS = st.builds(
    lambda label, part, source, document: replace(
        chunk("some text", "public", ((0, 4, part),)),
        label=label,
        source=Source(source),
        document=Document(document),
    ),
    LABELS,
    st.sampled_from(LEVELS),
    st.sampled_from(["kb/x", "crm/x"]),
    st.sampled_from(["ab", "a", "b"]),
)
ASKED = st.tuples(
    st.sampled_from(["customer", "staff", "partner", None]),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["acme", None]),
)


def policy_of(**said: Any) -> Policy:
    tree = {
        "version": 1,
        "levels": LEVELS,
        "audiences": {
            "customer": {"clearance": "public", "groups": ["retail"]},
            "staff": {"clearance": "secret", "compartments": ["pii"]},
        },
    }
    return parse_policy(yaml.safe_dump(tree | said).encode())


def asked(said: Any, who: Any, chunk: Chunk) -> tuple[Policy, Audience, Explanation]:
    policy = policy_of(**said)
    audience = policy.audience(who[0], principal=who[1], tenant=who[2])
    return policy, audience, explain(policy, chunk, audience)


@given(POLICIES, CHUNKS, ASKED)
def test_the_decision_is_the_judges(said: Any, chunk: Chunk, who: Any) -> None:
    """About the whole chunk, as at retrieval, shadow and all."""
    policy, audience, explanation = asked(said, who, chunk)
    label = policy.labeller.effective(chunk)
    assert explanation.label == label
    assert explanation.decision == judge(policy, chunk, label, audience)


@given(POLICIES, CHUNKS, ASKED)
def test_the_rules_tell_the_same_story_as_the_judge(said: Any, chunk: Chunk, who: Any) -> None:
    """The rule that decides is the judge's, or none does and the lattice has its say."""
    policy, _, explanation = asked(said | {"mode": "enforce"}, who, chunk)
    decision, deciding = explanation.decision, explanation.deciding
    if deciding is not None:
        assert (decision.rule, decision.action) == (deciding.id, deciding.action)
    elif not explanation.standing.declared:
        assert decision.rule == "unknown-level"
    else:
        permitted = explanation.standing.permitted
        assert decision.rule == ("clearance" if permitted else "otherwise")
    recording = [t.rule for t in explanation.tried if t.role == "in shadow"]
    if recording and recording[0].action is not decision.action:
        assert decision.shadow is not None and decision.shadow.rule == recording[0].id
    else:
        assert decision.shadow is None
    assert tuple(tried.rule for tried in explanation.tried) == policy.rules


@given(POLICIES, CHUNKS, ASKED)
def test_a_rule_matches_where_nothing_is_unmet(said: Any, chunk: Chunk, who: Any) -> None:
    """Unmet conditions are all and only why a rule does not match."""
    _, audience, explanation = asked(said, who, chunk)
    for tried in explanation.tried:
        rule = tried.rule
        assert (not tried.unmet) is rule.matches(chunk, explanation.label, audience)
        freed = {"label": "levels", "audience": "audiences"}
        for unmet in tried.unmet:
            name = freed.get(unmet.condition, unmet.condition)
            rule = replace(rule, **{name: frozenset() if name.endswith("s") else None})
        assert rule.matches(chunk, explanation.label, audience)


@given(POLICIES, CHUNKS, ASKED)
def test_the_lattice_permits_where_it_finds_no_fault(said: Any, chunk: Chunk, who: Any) -> None:
    """Level, compartments and readers are all there is to it."""
    standing = asked(said, who, chunk)[2].standing
    faults = standing.above, bool(standing.missing), standing.unread
    assert standing.permitted is not any(faults)
    assert standing.declared or standing.above


def test_rules_after_the_one_that_decides_are_not_reached() -> None:
    """They say still whether they would match."""
    policy = policy_of(
        rules=[
            {"id": "a", "when": {"label": "internal", "document": "x"}, "decide": "block"},
            {"id": "b", "decide": "allow", "mode": "shadow"},
            {"id": "c", "when": {"label": "secret"}, "decide": "drop"},
            {"id": "d", "decide": "block"},
            {"id": "e", "when": {"audience": ["staff", "unknown"]}, "decide": "block"},
        ]
    )
    explanation = explain(policy, chunk("text", "secret"), policy.audience("customer"))
    roles = [(tried.rule.id, tried.role) for tried in explanation.tried]
    assert roles == [
        ("a", "no match"),
        ("b", "in shadow"),
        ("c", "decides"),
        ("d", "not reached"),
        ("e", "not reached"),
    ]
    unmet = [tried.unmet for tried in explanation.tried]
    document = explanation.chunk.document.id
    assert unmet[0] == (Unmet("label", "internal", "secret"), Unmet("document", "x", document))
    assert unmet[3] == ()
    assert unmet[4] == (Unmet("audience", "staff or unknown", "customer"),)


def test_where_there_is_no_policy_to_speak_of_no_rule_is_reached() -> None:
    """An unreadable policy blocks, and none at all allows, whatever rules it might hold."""
    rules = policy_of(rules=[{"id": "a", "decide": "drop"}]).rules
    for policy, rule in (
        (Policy.closed("broken"), "policy-unreadable"),
        (Policy.observing(), "no-policy"),
    ):
        held = replace(policy, rules=rules)
        explanation = explain(held, chunk("text"), held.audience("customer"))
        assert explanation.decision.rule == rule
        assert [tried.role for tried in explanation.tried] == ["not reached"]
        assert explanation.deciding is None
