"""What a policy file may say of safe steps, and of declassifications."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragtrace.errors import PolicyFileError
from ragtrace.labels import Transformation
from ragtrace.model import Label
from ragtrace.policy import LinedYaml, lint, parse_policy, read_policy

POLICY = """\
version: 1
levels: [public, secret]
audiences: {staff: {clearance: secret, compartments: [hr]}}
transformations:
  - {id: classify, to: public, at_most: 80, reason: one of six words}
  - id: sort
    to: secret
    compartments: [hr]
    at_most: 201
  - id: whatever
    to: public
"""


def test_a_policy_names_its_safe_steps() -> None:
    """What is not said keeps no compartment and has no bound."""
    steps = parse_policy(POLICY.encode()).transformations
    public = Label("public", integrity="untrusted")
    assert steps["classify"] == Transformation("classify", public, 80, "one of six words")
    assert steps["sort"].label.compartments == {"hr"}
    assert steps["whatever"] == Transformation("whatever", public)


@pytest.mark.parametrize(
    ("line", "instead", "expected"),
    [
        ("to: secret", "to: gone", r"p:7: transformations\[1\].to: expected one of the levels"),
        ("id: sort", "id: classify", r"p:6: transformations\[1\].id: 'classify' is taken"),
        ("at_most: 201", "at_most: 0", r"p:9: transformations\[1\].at_most: "),
        ("at_most: 201", "at_least: 1", r"p:6: transformations\[1\]: unknown key 'at_least'"),
        ("    to: secret\n", "", r"p:6: transformations\[1\]: 'to' is missing"),
    ],
)
def test_a_step_that_cannot_be_is_refused(line: str, instead: str, expected: str) -> None:
    """With file and line."""
    with pytest.raises(PolicyFileError, match=expected):
        parse_policy(POLICY.replace(line, instead).encode(), "p")


def test_a_step_without_a_bound_is_a_hole() -> None:
    """Above two hundred characters an answer tells what a note says; the check warns."""
    policy = parse_policy(POLICY.encode())
    concerns = lint(policy, LinedYaml.parse(POLICY.encode(), "p"))
    assert [(one.id, one.line) for one in concerns] == [
        ("wide-transformation", 6),
        ("wide-transformation", 10),
    ]
    assert concerns[0].sentence == (
        "a hole: answers of up to 201 characters of 'sort' are at most 'secret'"
    )
    assert "of any length of 'whatever'" in concerns[1].sentence
    assert not lint(
        parse_policy(POLICY.replace("201", "200").partition("  - id: what")[0].encode())
    )


def test_a_file_that_is_not_there_has_no_declassifications_yet(tmp_path: Path) -> None:
    """Its path is absolute, beside the policy."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY + "declassified: none.jsonl\n")
    policy = read_policy(path)
    assert policy.declassified.records == ()
    assert policy.declassified_in == str(tmp_path / "none.jsonl")
    assert parse_policy(POLICY.encode()).declassified_in is None
