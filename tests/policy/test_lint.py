"""What lint promises: it warns of what is certain, and of nothing a policy may well mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.model import Action, Document, Label, Source
from ragtrace.policy import Explanation, LinedYaml, Policy, explain, lint, parse_policy
from ragtrace.policy._glob import covers
from tests.prose import chunk

LEVELS = ["public", "internal", "secret"]
TREE = {
    "version": 1,
    "levels": LEVELS,
    "audiences": {"customer": {"clearance": "public"}, "staff": {"clearance": "secret"}},
}
GLOBS = ["*", "a*", "ab*", "*b", "ab", "a?", "[ab]*", "a]"]
TEXTS = ["ab", "a", "abb", "b", "bb", "ax", "xb", "a]", ""]


def policy_of(**said: Any) -> Policy:
    return parse_policy(yaml.safe_dump(TREE | said).encode())


def warned(*ids: str, **said: Any) -> list[str]:
    """Sentences of the warnings about a policy; of those ids alone, where there are any."""
    return [c.sentence for c in lint(policy_of(**said)) if not ids or c.id in ids]


def explained(policy: Policy, documents: list[str]) -> Iterator[Explanation]:
    """Everything that can be asked: levels, audiences and documents, also unheard-of ones."""
    for level, name, document in product(
        [*LEVELS, "unheard-of"], ["customer", "staff", "partner"], documents
    ):
        one = replace(chunk("text", level), source=Source("a"), document=Document(document))
        yield explain(policy, one, policy.audience(name))


def rules(*globs: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some rules; with conditions on the document where there are globs."""
    some = {
        "label": st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3, unique=True),
        "audience": st.lists(
            st.sampled_from(["customer", "staff", "unknown"]), min_size=1, max_size=3, unique=True
        ),
    }
    if globs:
        some["document"] = st.sampled_from(globs)
    rule = st.fixed_dictionaries(
        {
            "when": st.fixed_dictionaries({}, optional=some),
            "decide": st.sampled_from([str(action) for action in Action]),
            "mode": st.sampled_from(["enforce", "enforce", "shadow"]),
        }
    )
    return st.lists(rule, max_size=5).map(
        lambda made: [{"id": f"r{place}"} | one for place, one in enumerate(made)]
    )


def test_a_plain_policy_is_without_warnings() -> None:
    """Nothing is said of a policy that keeps what is above the clearance."""
    rule = {"id": "r", "when": {"label": "secret", "audience": "customer"}, "decide": "drop"}
    assert warned() == []
    assert warned(rules=[rule]) == []


def test_a_rule_that_never_decides_is_named_with_those_that_do() -> None:
    """Two rules together may leave nothing to a third."""
    said = warned(
        rules=[
            {"id": "a", "when": {"label": "secret"}, "decide": "drop"},
            {"id": "b", "when": {"label": "internal", "document": "x-*"}, "decide": "redact"},
            {"id": "c", "when": {"label": ["secret", "internal"], "document": "x-1*"}}
            | {"decide": "block"},
            {"id": "d", "when": {"label": ["secret", "internal"]}, "decide": "block"},
        ]
    )
    assert said == ["the rule 'c' never decides: all it matches is decided by 'a', 'b'"]


def test_a_rule_in_shadow_takes_nothing_from_others() -> None:
    """Only an enforcing rule ends the search."""
    every = {"id": "a", "decide": "drop", "mode": "shadow"}
    assert warned("never-decides", rules=[every, {"id": "b", "decide": "block"}]) == []


@given(rules(*GLOBS))
def test_a_rule_that_is_said_never_to_decide_never_does(made: list[dict[str, Any]]) -> None:
    """Whatever is asked, it neither decides nor is recorded in shadow."""
    policy = policy_of(rules=made)
    named = {c.sentence.split("'")[1] for c in lint(policy) if c.id == "never-decides"}
    for explanation in explained(policy, TEXTS):
        at_work = {t.rule.id for t in explanation.tried if t.role in ("decides", "in shadow")}
        assert not named & at_work


@given(rules())
def test_without_globs_every_such_rule_is_found(made: list[dict[str, Any]]) -> None:
    """A rule is at work on something, or it is said never to decide."""
    policy = policy_of(rules=made)
    named = {c.sentence.split("'")[1] for c in lint(policy) if c.id == "never-decides"}
    at_work = {
        tried.rule.id
        for explanation in explained(policy, ["d"])
        for tried in explanation.tried
        if tried.role in ("decides", "in shadow")
    }
    assert named == {rule["id"] for rule in made} - at_work


@given(rules())
def test_a_hole_is_what_a_rule_allows_and_the_lattice_does_not(made: list[dict[str, Any]]) -> None:
    """Every such rule is warned of, and no other."""
    policy = policy_of(rules=made)
    named = {c.sentence.split("'")[1] for c in lint(policy) if c.id == "hole"}
    holes = {
        explanation.deciding.id
        for explanation in explained(policy, ["d"])
        if explanation.deciding is not None
        and explanation.deciding.action is Action.ALLOW
        and not explanation.standing.permitted
    }
    assert named == holes


def test_a_hole_says_who_is_allowed_what() -> None:
    """Audiences, levels and compartments are named."""
    said = warned(
        audiences={"customer": {"clearance": "public"}}
        | {"staff": {"clearance": "secret", "compartments": ["pii"]}},
        rules=[{"id": "a", "when": {"label": "internal"}, "decide": "allow"}],
    )
    assert said == [
        "a hole: the rule 'a' allows customer 'internal', compartment 'pii'; "
        "unknown 'internal', compartment 'pii'"
    ]


@given(st.sampled_from(GLOBS) | st.text("ab*?[]", max_size=5), st.text("ab*?[]", max_size=5))
def test_a_pattern_that_covers_another_fits_all_it_fits(wider: str, narrower: str) -> None:
    """No text fits the narrower and not the wider."""
    if covers(wider, narrower):
        for size in range(4):
            for letters in product("ab[]*?x", repeat=size):
                text = "".join(letters)
                assert fnmatchcase(text, wider) or not fnmatchcase(text, narrower)


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        (None, None, True),
        ("*", None, True),
        ("a", None, False),
        ("a", "a", True),
        ("[ab]", "a", True),
        ("mixed-*", "mixed-a*", True),
        ("mixed-a*", "mixed-*", False),
        ("a?", "a*", False),
        ("*]", "[ab]", False),
    ],
)
def test_patterns(wider: str | None, narrower: str | None, expected: bool) -> None:
    """No pattern fits everything; stars take in stars, and letters only themselves."""
    assert covers(wider, narrower) is expected


def test_a_level_for_nobody_is_named() -> None:
    """A level above every clearance is blocked for all, which may not be meant."""
    only = {"customer": {"clearance": "internal"}}
    assert warned(audiences=only) == ["no audience is cleared for 'secret'"]


def test_a_rule_that_gives_the_least_level_changes_nothing() -> None:
    """But one about a source does where unlabelled text has a higher level."""
    sources = [{"id": "help", "match": {"source": "help/*"}, "level": "public"}]
    sections = [{"id": "intro", "heading": "Intro", "level": "public"}]
    held = [sections[0] | {"compartments": ["pii"]}]
    both = {"sources": sources, "sections": sections}
    assert len(warned("no-effect", **both, unlabelled="public")) == 2
    assert len(warned("no-effect", **both)) == 1
    assert warned("no-effect", sections=held, unlabelled="public") == []


def test_what_is_not_enforced_is_said() -> None:
    """A policy in shadow mode, and one that allows what it does not name."""
    assert warned(mode="shadow") == ["the policy is in shadow mode: nothing is enforced"]
    assert len(warned("otherwise-allows", otherwise="allow")) == 1


def test_warnings_have_the_lines_of_the_file() -> None:
    """In the order of the file; without the file there are none."""
    text = (
        b"version: 1\nlevels:\n  - public\n  - secret\naudiences: {c: {clearance: public}}\n"
        b"rules:\n  - id: a\n    decide: drop\n  - id: b\n    decide: drop\notherwise: allow\n"
    )
    policy = parse_policy(text)
    found = lint(policy, LinedYaml.parse(text, "p"))
    assert [(c.id, c.line) for c in found] == [
        ("nobody-cleared", 4),
        ("never-decides", 9),
        ("otherwise-allows", 11),
    ]
    assert {c.line for c in lint(policy)} == {None}


NARROWED = st.fixed_dictionaries(
    {},
    optional={
        "compartment": st.lists(st.sampled_from(["hr", "pii"]), min_size=1, unique=True),
        "integrity": st.sampled_from(["trusted", "untrusted"]),
        "cel": st.sampled_from(["label.rank > 0", "source == 'a'"]),
    },
)


@given(st.lists(NARROWED, min_size=2, max_size=4))
def test_narrowed_rules_that_are_said_never_to_decide_never_do(when: list[dict[str, Any]]) -> None:
    """Compartments, integrity and expressions take nothing that they do not surely fit."""
    pytest.importorskip("celpy")
    policy = policy_of(
        rules=[{"id": f"r{n}", "when": one, "decide": "drop"} for n, one in enumerate(when)]
    )
    never = {c.sentence.split("'")[1] for c in lint(policy) if c.id == "never-decides"}
    for held, integrity, level, source in product(
        [(), ("hr",), ("pii",), ("hr", "pii")], ["trusted", "untrusted"], LEVELS, "ab"
    ):
        label = Label(level, frozenset(held), integrity=integrity)  # type: ignore[arg-type]
        one = replace(chunk("text", level), label=label, source=Source(source))
        assert explain(policy, one, policy.audience("staff")).decision.rule not in never


@pytest.mark.parametrize(
    ("wide", "narrow", "warned_of"),
    [
        ({}, {"compartment": "pii"}, True),
        ({"compartment": ["hr", "pii"]}, {"compartment": "pii"}, True),
        ({"compartment": "pii"}, {"compartment": ["hr", "pii"]}, False),
        ({"compartment": "pii"}, {}, False),
        ({"integrity": "trusted"}, {"integrity": "trusted"}, True),
        ({"integrity": "trusted"}, {"integrity": "untrusted"}, False),
        ({"integrity": "trusted"}, {}, False),
        ({"cel": "source == 'a'"}, {"cel": "source == 'a'", "label": "secret"}, True),
        ({"cel": "source == 'a'"}, {"cel": "source == 'b'"}, False),
        ({"cel": "source == 'a'"}, {}, False),
    ],
)
def test_a_narrowed_rule_takes_from_those_narrowed_alike(
    wide: dict[str, Any], narrow: dict[str, Any], warned_of: bool
) -> None:
    """A later rule is said never to decide where an earlier one asks no more than it does."""
    pytest.importorskip("celpy")
    said = warned(
        "never-decides",
        rules=[
            {"id": "first", "when": wide, "decide": "drop"},
            {"id": "second", "when": narrow, "decide": "drop"},
        ],
    )
    assert bool(said) is warned_of


def test_a_hole_behind_an_expression_is_said_to_be_behind_one() -> None:
    """What the expression lets through is not known."""
    pytest.importorskip("celpy")
    rule = {"id": "r", "when": {"audience": "customer", "cel": "true"}, "decide": "allow"}
    (said,) = warned("hole", rules=[rule])
    assert said.startswith("a hole where its expression fits: the rule 'r' allows customer ")


@pytest.mark.parametrize(
    ("by_entity", "compartment"), [(False, "personal"), (True, "personal:EMAIL_ADDRESS")]
)
def test_compartments_of_personal_data_are_known(by_entity: bool, compartment: str) -> None:
    """A rule that allows all opens them to whoever does not hold them."""
    pytest.importorskip("presidio_analyzer")
    pii = {"entities": ["EMAIL_ADDRESS"], "compartment": "personal", "by_entity": by_entity}
    rule = {"id": "r", "when": {"audience": "staff"}, "decide": "allow"}
    (said,) = warned("hole", pii=pii, rules=[rule])
    assert f"compartment {compartment!r}" in said


def test_compartments_of_a_registry_are_known(tmp_path: Path) -> None:
    """Those of whole texts, and those of their parts."""
    part = {"start": 0, "end": 4, "level": "public", "compartments": ["legal"]}
    lines = [
        {"digest": "0" * 64, "level": "public", "compartments": ["hr"]},
        {"digest": "1" * 64, "ranges": [part]},
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rule = {"id": "r", "when": {"audience": "staff"}, "decide": "allow"}
    tree = TREE | {"registry": "labels.jsonl", "rules": [rule]}
    policy = parse_policy(yaml.safe_dump(tree).encode(), str(tmp_path / "policy.yaml"))
    (said,) = (c.sentence for c in lint(policy) if c.id == "hole")
    assert "compartment 'hr', compartment 'legal'" in said
