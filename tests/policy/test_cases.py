"""What a file of cases promises: cases, or a message that names file and line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ragtrace.errors import PolicyFileError
from ragtrace.model import Action, Passage, Source
from ragtrace.policy import (
    UNNAMED_SOURCE,
    Case,
    Expectation,
    cases_schema,
    coverage,
    label_as,
    parse_cases,
    parse_policy,
    try_case,
)

POLICY = {
    "version": 1,
    "levels": ["public", "secret"],
    "unlabelled": "public",
    "audiences": {"customer": {"clearance": "public"}, "staff": {"clearance": "secret"}},
    "rules": [
        {"id": "x", "when": {"document": "x"}, "decide": "redact"},
        {"id": "watch", "when": {"label": "secret"}, "decide": "block", "mode": "shadow"},
        {"id": "late", "when": {"document": "x", "audience": "staff"}, "decide": "block"},
        {"id": "never", "when": {"document": "y"}, "decide": "block"},
    ],
}
ONE = (
    "cases:\n  - name: one\n    chunk: {document: x}\n    audience: a\n    expect: {action: drop}\n"
)


def case(document: str, audience: str = "customer", **metadata: Any) -> Case:
    passage = Passage("", Source("s"), metadata, document)
    return Case("c", passage, audience, Expectation(Action.REDACT, "x", "public"), document)


def test_a_case_has_all_that_its_entry_says() -> None:
    """The URI is where a framework keeps it; the line is that of its name."""
    (made,) = parse_cases(b"""version: 1
cases:
  - name: one
    chunk: {source: s/t, document: d, uri: u, metadata: {label: secret, n: 3}, text: T}
    audience: {name: staff, principal: ann, tenant: acme, groups: [g]}
    expect: {action: drop, rule: r, level: secret}
""")
    metadata = {"label": "secret", "n": 3, "uri": "u"}
    assert made == Case(
        name="one",
        passage=Passage("T", Source("s/t"), metadata, "d"),
        audience="staff",
        expect=Expectation(Action.DROP, "r", "secret"),
        document="d",
        principal="ann",
        tenant="acme",
        groups=frozenset({"g"}),
        line=3,
    )


def test_what_an_entry_does_not_say_is_not_made_up() -> None:
    """No document, no text, and a source that says that there is none."""
    (made,) = parse_cases(f"version: 1\n{ONE}".replace("document: x", "uri: u").encode())
    assert made.passage == Passage("", Source(UNNAMED_SOURCE), {"uri": "u"})
    chunk = label_as(parse_policy(yaml.safe_dump(POLICY).encode()), made.passage, made.document)
    assert chunk.document.id == "u"
    assert made.expect == Expectation(Action.DROP)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "p:1: expected object, got NoneType"),
        ("version: 1\n", "p:1: 'cases' is missing"),
        ("version: 2\n" + ONE, "p:1: version: 1 was expected"),
        ("version: 1\ncases: []\n", "p:2: cases: [] should be non-empty"),
        (
            "version: 1\n" + ONE.replace("drop", "dorp"),
            "p:6: cases[0].expect.action: expected one of "
            "allow, context_only, redact, drop, block, got 'dorp'",
        ),
        (
            "version: 1\n" + ONE.replace("document", "doc"),
            "p:4: cases[0].chunk: unknown key 'doc', "
            "expected one of document, metadata, source, text, uri",
        ),
        (
            "version: 1\n" + ONE.replace("audience: a", "audience: 7"),
            "p:5: cases[0].audience: expected string or object, got int",
        ),
        (
            "version: 1\n" + ONE.replace("audience: a", "audience: {tenant: t}"),
            "p:5: cases[0].audience: 'name' is missing",
        ),
        (
            "version: 1\n" + ONE + ONE.partition("\n")[2],
            "p:7: cases[1].name: 'one' is taken, see line 3",
        ),
        (
            "version: 1\n" + ONE.replace("document: x", "uri: u, metadata: {uri: v}"),
            "p:4: cases[0].chunk.uri: is said in the metadata too",
        ),
    ],
)
def test_a_file_of_something_else_is_refused(text: str, said: str) -> None:
    """File, line, and what was expected there."""
    with pytest.raises(PolicyFileError) as caught:
        parse_cases(text.encode(), "p")
    assert str(caught.value) == said


def test_the_schema_is_one() -> None:
    """Editors can use it, and it knows every decision."""
    Draft202012Validator.check_schema(cases_schema())
    known = cases_schema()["$defs"]["expect"]["properties"]["action"]["enum"]
    assert known == [str(action) for action in Action]


def test_a_case_differs_in_what_it_says_and_in_nothing_else() -> None:
    """Action, rule and level, each where it is said."""
    policy = parse_policy(yaml.safe_dump(POLICY).encode())
    assert try_case(policy, case("x")).differences == ()
    found = try_case(policy, case("z", label="secret")).differences
    assert [(d.what, d.expected, d.got) for d in found] == [
        ("action", "redact", "block"),
        ("rule", "x", "otherwise"),
        ("level", "public", "secret"),
    ]


def test_a_policy_in_shadow_mode_is_tried_as_if_it_were_enforced() -> None:
    """Cases are written for what it will do."""
    policy = parse_policy(yaml.safe_dump(POLICY | {"mode": "shadow"}).encode())
    assert try_case(policy, case("x")).differences == ()


def test_coverage_tells_rules_at_work_from_others() -> None:
    """A rule in shadow is at work where it matches, another where it decides."""
    policy = parse_policy(yaml.safe_dump(POLICY).encode())
    cases = [case("x", "staff"), case("z", label="secret")]
    found = coverage(policy, [try_case(policy, one) for one in cases])
    assert [rule.id for rule in found.shown] == ["x", "watch"]
    assert [rule.id for rule in found.beaten] == ["late"]
    assert [rule.id for rule in found.unmatched] == ["never"]
    assert found.percent == 50


def test_rules_for_labels_that_label_no_case_are_named() -> None:
    """They do not count as rules: what they give is seen in the level."""
    sources = [{"id": "a+b", "match": {"source": "s"}, "level": "secret"}]
    sources += [{"id": "other", "match": {"source": "t"}, "level": "secret"}]
    sections = [{"id": "inner", "heading": "Inner", "level": "secret"}]
    said = POLICY | {"sources": sources, "sections": sections}
    policy = parse_policy(yaml.safe_dump(said).encode())
    found = coverage(policy, [try_case(policy, case("x", label="public"))])
    assert found.silent == ("source:other", "section:inner")


def test_a_policy_without_rules_is_covered() -> None:
    """There is nothing left to show."""
    policy = parse_policy(yaml.safe_dump(POLICY | {"rules": []}).encode())
    assert coverage(policy, []).percent == 100


@pytest.mark.parametrize(
    ("document", "shadow", "differences"),
    [
        ("x", {"action": "block", "rule": "watch"}, []),
        ("x", {"action": "block"}, []),
        (
            "x",
            {"action": "drop", "rule": "late"},
            [("shadow action", "drop", "block"), ("shadow rule", "late", "watch")],
        ),
        ("plain", {"action": "drop"}, [("shadow action", "drop", "none")]),
    ],
)
def test_a_case_may_say_what_a_rule_in_shadow_would_have_decided(
    document: str, shadow: dict[str, str], differences: list[tuple[str, str, str]]
) -> None:
    """Action and rule are compared with what is recorded beside the decision."""
    decides, watches = POLICY["rules"][:2]  # type: ignore[index]
    policy = parse_policy(yaml.safe_dump(POLICY | {"rules": [watches, decides]}).encode())
    level, action = ("secret", "redact") if document == "x" else ("public", "allow")
    entry = {
        "name": "c",
        "chunk": {"document": document, "metadata": {"label": level}},
        "audience": "customer",
        "expect": {"action": action, "shadow": shadow},
    }
    (made,) = parse_cases(yaml.safe_dump({"version": 1, "cases": [entry]}).encode())
    found = try_case(policy, made).differences
    assert [(d.what, d.expected, d.got) for d in found] == differences
