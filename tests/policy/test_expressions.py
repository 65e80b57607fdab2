"""What conditions promise: built-in, CEL and Cedar ones agree, and a failing one is no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.errors import MissingDependencyError, PolicyFileError
from ragtrace.model import Audience, Chunk, Document, Label, Source
from ragtrace.policy import ExpressionError, Policy, explain, judge, parse_policy
from tests.laws import examples
from tests.prose import chunk

pytest.importorskip("celpy")
pytest.importorskip("cedarpy")

LEVELS = ["public", "internal", "secret"]
TREE = {
    "version": 1,
    "levels": LEVELS,
    "audiences": {
        "customer": {"clearance": "public", "groups": ["retail"]},
        "staff": {"clearance": "secret", "compartments": ["pii"]},
    },
}
SAME: list[tuple[dict[str, Any], str, str]] = [
    ({"label": "secret"}, "label.level == 'secret'", 'resource.level == "secret"'),
    (
        {"label": ["public", "internal", "secret"]},
        "label.rank < 3",
        "resource.rank < 3",
    ),
    (
        {"compartment": ["pii", "it's"]},
        "label.compartments.exists(one, one in ['pii', \"it's\"])",
        'resource.compartments.containsAny(["pii", "it\'s"])',
    ),
    ({"integrity": "untrusted"}, "label.integrity != 'trusted'", 'resource.integrity != "trusted"'),
    ({"audience": "staff"}, "audience.name == 'staff'", 'principal == Audience::"staff"'),
    ({"audience": "unknown"}, "!audience.known", "!principal.known"),
    ({"source": "kb/*"}, "source.startsWith('kb/')", 'resource.source like "kb/*"'),
    ({"document": "a?b"}, "document.matches('^(?s:a.b)$')", 'resource.document like "a*b"'),
]
"""Each line says the same three times; of the documents tried, ``a*b`` fits what ``a?b`` fits."""

LABELS = st.builds(
    Label,
    st.sampled_from([*LEVELS, "unheard-of"]),
    st.frozensets(st.sampled_from(["pii", "it's", "tenant:acme"])),
    st.none() | st.frozensets(st.sampled_from(["ann", "retail"])),
    st.sampled_from(["trusted", "untrusted"]),
)
AUDIENCES = st.tuples(
    st.sampled_from(["customer", "staff", "partner", None]), st.sampled_from(["ann", "bob", None])
)
CHUNKS = st.builds(
    lambda source, document: replace(
        chunk("text", "public"), source=Source(source), document=Document(document)
    ),
    st.sampled_from(["kb/x", "crm/x", 'kb/"\\\n', "Ünï🙂"]),
    st.sampled_from(["aéb", "a\nb", "", "abc"]),
)


def policy_of(**when: Any) -> Policy:
    rules = [{"id": "r", "when": when, "decide": "drop"}]
    return parse_policy(yaml.safe_dump(TREE | {"rules": rules}).encode(), "p.yaml")


def asked(policy: Policy, who: tuple[str | None, str | None]) -> Audience:
    return policy.audience(who[0], principal=who[1], tenant="acme")


@pytest.mark.parametrize(("plain", "cel", "cedar"), SAME)
def test_all_that_can_be_said_three_ways_is_decided_one_way(
    plain: dict[str, Any], cel: str, cedar: str
) -> None:
    """The same rule decides, or does not, whatever it is written in."""
    policies = [policy_of(**plain), policy_of(cel=cel), policy_of(cedar=cedar)]
    seen = set()

    @settings(max_examples=60)
    @given(CHUNKS, LABELS, AUDIENCES)
    def agree(one: Chunk, label: Label, who: tuple[str | None, str | None]) -> None:
        rules = {judge(p, one, label, asked(p, who)).rule == "r" for p in policies}
        assert len(rules) == 1
        seen.update(rules)

    agree()
    assert seen == {True, False} or "rank" in cel


@settings(max_examples=examples(100))
@given(LABELS, AUDIENCES)
def test_both_languages_can_say_what_the_lattice_says(
    label: Label, who: tuple[str | None, str | None]
) -> None:
    """Ranks, compartments, readers, principal and groups are all there to ask."""
    cel = (
        "label.rank <= audience.rank"
        " && label.compartments.all(one, one in audience.compartments)"
        " && (!has(label.readers)"
        " || (has(audience.principal) && audience.principal in label.readers)"
        " || label.readers.exists(one, one in audience.groups))"
    )
    cedar = (
        "resource.rank <= principal.rank"
        " && principal.compartments.containsAll(resource.compartments)"
        " && (if resource has readers then"
        " (principal has principal && resource.readers.contains(principal.principal))"
        " || resource.readers.containsAny(principal.groups) else true)"
    )
    for policy in (policy_of(cel=cel), policy_of(cedar=cedar)):
        audience = asked(policy, who)
        rule = judge(policy, chunk("text", "public"), label, audience).rule
        assert (rule == "r") is policy.lattice.permits(audience, label)


def test_all_conditions_of_a_rule_must_fit() -> None:
    """A built-in one, CEL and Cedar stand beside each other; each that does not fit is named."""
    policy = policy_of(label="secret", cel="source == 'a'", cedar='resource.document == "b"')
    one = replace(chunk("text", "secret"), source=Source("a"), document=Document("b"))
    assert judge(policy, one, one.label, policy.audience(None)).rule == "r"
    other = replace(one, label=Label("public"), source=Source("x"), document=Document("y"))
    unmet = explain(policy, other, policy.audience(None)).tried[0].unmet
    assert [(u.condition, u.expected) for u in unmet] == [
        ("label", "secret"),
        ("cel", "source == 'a'"),
        ("cedar", 'resource.document == "b"'),
    ]


def test_compartments_and_integrity_that_do_not_fit_are_named() -> None:
    """With what the rule asks and what the label has."""
    policy = policy_of(compartment=["hr", "pii"], integrity="untrusted")
    one = replace(chunk("text", "public"), label=Label("public", frozenset({"legal"})))
    unmet = explain(policy, one, policy.audience(None)).tried[0].unmet
    assert [(u.condition, u.expected, u.got) for u in unmet] == [
        ("compartment", "hr or pii", "legal"),
        ("integrity", "untrusted", "trusted"),
    ]


WRONG = {
    "cel": {
        "label.level ==": "not CEL, character 13",
        "": "should be non-empty",
        "lable.level == 'x'": "expected one of label, audience, source, document, got 'lable'",
        "label.levle == 'x'": "label has no field 'levle'",
        "label.compartments.startsWith(one)": "got 'one'",
        "!" * 300 + "true": "too deeply nested",
        "(" * 25 + "true" + ")" * 25: "25 opening brackets, expected at most 24",
    },
    "cedar": {
        "resource.level ==": "not Cedar: ",
        "": "should be non-empty",
        "resource.levle == 1": "attribute `levle` on entity type `Content` not found",
        '"x"': "expected Bool but saw String",
        "principal is User": "unrecognized entity type `User`",
        'principal.principal == "x"': "unable to guarantee safety",
        "true }; permit(principal, action, resource) when { true": "expected one Cedar expression",
        "true } unless { false": "expected one Cedar expression",
        "[" * 2000 + "]" * 2000: "is too long",
        "[" * 25 + "]" * 25: "25 opening brackets, expected at most 24",
    },
}


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [(language, *one) for language, texts in WRONG.items() for one in texts.items()],
)
def test_an_expression_that_cannot_be_used_is_refused_with_its_line(
    language: str, text: str, said: str
) -> None:
    """When the policy is read, not when somebody waits for an answer."""
    spelled = (
        "version: 1\nlevels: [a]\naudiences: {x: {clearance: a}}\nrules:\n"
        f"  - id: r\n    when: {{{language}: {json.dumps(text)}}}\n    decide: drop\n"
    )
    with pytest.raises(PolicyFileError) as error:
        parse_policy(spelled.encode(), "p.yaml")
    assert str(error.value).startswith(f"p.yaml:6: rules[0].when.{language}: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "when",
    [
        {"cel": "source"},
        {"cel": "1 / label.rank == 1"},
        {"cel": "label.readers.size() == 0"},
        {"cel": "source == 1"},
        {"cedar": "resource.rank + 9223372036854775807 > principal.rank - 2"},
    ],
)
def test_an_expression_that_comes_to_no_answer_is_an_error(when: dict[str, str]) -> None:
    """It neither fits nor does not: whoever asked fails closed. Nothing is quoted of the text."""
    policy = policy_of(**when)
    label = Label("internal" if "cedar" in when else "public")
    for _ in range(2):  # no answer is kept either
        with pytest.raises(ExpressionError, match=next(iter(when))) as error:
            judge(policy, chunk("some secret text", "public"), label, policy.audience("staff"))
        assert "some secret" not in str(error.value)


def test_a_text_that_is_no_unicode_is_an_error_too() -> None:
    """Rust cannot take a lone surrogate; the condition is not passed over."""
    policy = policy_of(cedar='resource.document like "*"')
    one = replace(chunk("text", "public"), document=Document("\ud800"))
    with pytest.raises(ExpressionError):
        judge(policy, one, one.label, policy.audience("staff"))


def test_reading_an_expression_leaves_the_process_as_it_was() -> None:
    """The library of CEL raises the limit on nested calls; it is put back."""
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(before + 1)
        policy_of(cel="true")
        assert sys.getrecursionlimit() == before + 1
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize(("language", "package"), [("cel", "celpy"), ("cedar", "cedarpy")])
def test_a_language_that_is_not_installed_is_said_with_line_and_pip_line(
    language: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a policy that cannot be used, and a missing dependency."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PolicyFileError, match=r"^p\.yaml:\d+: ") as error:
        policy_of(**{language: "true"})
    assert isinstance(error.value, MissingDependencyError)
    assert str(error.value).endswith(f"pip install 'ragtrace-otel[{language}]'")


def test_nothing_is_imported_unless_a_policy_asks_for_it() -> None:
    """A policy of built-in conditions pays for neither language."""
    code = (
        "import sys; from ragtrace.policy import parse_policy; "
        "parse_policy(b'version: 1\\nlevels: [a]\\naudiences: {x: {clearance: a}}\\n"
        "rules: [{id: r, when: {label: a}, decide: drop}]'); "
        "print(sorted({'celpy', 'cedarpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
