"""``ragtrace policy`` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._policy import command
from ragtrace.errors import RagtraceError
from ragtrace.policy import cases_beside, coverage, read_cases, read_policy, try_case

BANK = Path(__file__).parents[2] / "examples" / "bank"
POLICY = """\
version: 1
levels: [public, secret]
audiences:
  customer: {clearance: public}
  staff: {clearance: secret, compartments: [pii]}
sections:
  - {id: inner, heading: Inner, level: secret, compartments: [pii]}
rules:
  - id: watch
    when: {label: secret}
    decide: block
    mode: shadow
  - id: inner-goes
    when: {label: secret, audience: customer, document: "mixed-*"}
    decide: redact
    reason: the inner part is not for customers
  - id: late
    when: {label: secret, audience: customer, document: mixed-1}
    decide: drop
"""
CASES = """\
version: 1
cases:
  - name: an inner part goes
    chunk: {document: mixed-1, metadata: {label: secret}}
    audience: customer
    expect: {action: redact, rule: inner-goes}
  - name: staff read it
    chunk: {document: mixed-1, metadata: {label: secret}}
    audience: staff
    expect: {action: allow}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with one warning, and cases beside it that all pass."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "policy.cases.yaml").write_text(CASES)
    return tmp_path / "policy.yaml"


def run(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=text)


def done(*words: object, status: int = 0, text: str | None = None) -> str:
    """What is printed."""
    result = run(*words, text=text)
    assert result.exit_code == status, result.output + repr(result.exception)
    return result.stdout


def said(*words: object, status: int = 0) -> Any:
    return json.loads(done(*words, "--json", status=status))


def refused(*words: object) -> str:
    """What ``main`` says in one line on stderr, with exit status 2."""
    result = run(*words)
    assert result.stdout == ""
    if isinstance(result.exception, RagtraceError):
        return str(result.exception)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_check_says_what_a_policy_holds(policy: Path) -> None:
    """Mode, digest, levels, audiences and rules, as text and as JSON."""
    text = done("check", policy)
    assert f"{policy}: mode enforce, digest {read_policy(policy).digest[:16]}" in text
    assert "levels: public < secret" in text
    assert "audiences: customer (public), staff (secret)" in text
    assert "rules: watch (block, in shadow), inner-goes (redact), late (drop)" in text
    (one,) = said("check", policy)["files"]
    assert one["usable"] and one["digest"] == read_policy(policy).digest
    assert [(rule["id"], rule["line"]) for rule in one["rules"]] == [
        ("watch", 9),
        ("inner-goes", 13),
        ("late", 17),
    ]


def test_check_warns_with_file_and_line(policy: Path) -> None:
    """A warning is no error, unless it is asked to be one."""
    text = done("check", policy)
    where = f"{policy}:17: warning: the rule 'late' never decides"
    assert f"{where}: all it matches is decided by 'inner-goes' [never-decides]" in text
    assert done("check", policy, "--strict", status=1) == text
    (one,) = said("check", policy, "--strict", status=1)["files"]
    assert [(w["id"], w["line"]) for w in one["warnings"]] == [("never-decides", 17)]
    assert "warning" not in done("check", BANK / "policy.yaml", "--strict")


def test_check_goes_on_after_a_file_that_cannot_be_used(policy: Path) -> None:
    """Each error is a line on stderr, and the exit status 2 in the end."""
    broken = policy.with_name("broken.yaml")
    broken.write_text(POLICY.replace("decide: drop", "decide: dorp"))
    result = run("check", broken, "/nowhere", policy)
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith(f"ragtrace: {broken}:19: rules[2].decide: expected one of allow")
    assert second == "ragtrace: /nowhere: No such file or directory"
    assert f"{policy}: mode enforce" in result.stdout
    files = json.loads(run("check", broken, policy, "--json").stdout)["files"]
    assert [one["usable"] for one in files] == [False, True]
    assert files[0]["error"].startswith(f"{broken}:19: ")


def test_explain_shows_every_rule_and_the_one_that_decides(policy: Path) -> None:
    """Label and who gave it, why others do not match, the line, and the shadow beside."""
    words = ("explain", policy, "--audience", "customer", "--level", "secret")
    text = done(*words, "--document", "mixed-1", "--source", "kb/x")
    assert "document mixed-1, source kb/x" in text
    assert "label: secret, by metadata:label" in text
    assert "audience: customer: cleared for public" in text
    assert "lattice: does not permit it: secret is above public" in text
    decision = f"decision: redact by inner-goes ({policy}:13): the inner part is not for customers"
    assert decision in text
    assert f"in shadow: block by watch ({policy}:9): rule watch says block" in text
    assert "an earlier rule decides" in text
    other = done(*words, "--document", "plain")
    assert "document is plain, not mixed-*" in other and "decision: block by otherwise:" in other


def test_explain_in_json_has_all_that_the_decision_rests_on(policy: Path) -> None:
    """Rules with what is unmet, the lattice's say, and the decision with its shadow."""
    words = ("--audience", "staff", "--tenant", "acme", "--group", "g", "--principal", "ann")
    found = said("explain", policy, *words, "--level", "secret", "--metadata", "tenant=other")
    assert found["label"]["compartments"] == ["tenant:other"]
    assert found["audience"] == {
        "name": "staff",
        "known": True,
        "clearance": "secret",
        "compartments": ["pii", "tenant:acme"],
        "groups": ["g"],
        "principal": "ann",
    }
    assert found["lattice"] == {
        "permitted": False,
        "declared": True,
        "above": False,
        "missing": ["tenant:other"],
        "unread": False,
    }
    assert [rule["role"] for rule in found["rules"]] == ["in shadow", "no match", "no match"]
    assert found["rules"][1]["unmet"][0] == {
        "condition": "audience",
        "expected": "customer",
        "got": "staff",
    }
    assert found["deciding"] is None
    assert (found["decision"]["action"], found["decision"]["rule"]) == ("block", "otherwise")


def test_explain_reads_a_text_with_its_front_matter(policy: Path) -> None:
    """Markdown says who it is; sections have their place, and no text is printed."""
    note = policy.with_name("note.md")
    note.write_text("---\nid: mixed-7\nlabel: public\n---\n# A\n\nopen\n\n## Inner\n\nhush\n")
    words = ("explain", policy, "--audience", "customer", "--text", note)
    text = done(*words)
    assert "document mixed-7" in text
    assert "label: secret + pii, by metadata:label+section:inner" in text
    assert "characters 11 to 26: secret + pii" in text
    assert "decision: redact by inner-goes" in text and "hush" not in text
    assert said(*words, "--document", "plain")["document"] == "plain"
    piped = done("explain", policy, "--audience", "x", "--text", "-", text="# Inner\n\nhush\n")
    assert "audience: x, which the policy does not name: cleared for public" in piped
    assert "section:inner" in piped


def test_explain_refuses_what_it_cannot_use(policy: Path) -> None:
    """The message says what was expected."""
    words = ("explain", policy, "--audience", "customer")
    assert "expected one or more of --document" in refused(*words)
    assert "'label': expected KEY=VALUE" in refused(*words, "--metadata", "label")
    twice = refused(*words, "--level", "secret", "--metadata", "trust=public")
    assert "the metadata says a level already, in 'trust'" in twice
    folder = policy.parent
    assert refused(*words, "--text", folder) == f"{folder}: expected a file, found a directory"
    assert "/nowhere: expected a file" in refused(*words, "--text", "/nowhere")
    assert refused("explain", "/nowhere", *words[2:], "--level", "x").startswith(
        "/nowhere: No such"
    )
    bare = policy.with_name("bare.yaml")
    bare.write_text(POLICY + "labels: {level_keys: []}\n")
    said = refused("explain", bare, *words[2:], "--level", "secret")
    assert "the policy reads levels from no metadata" in said


def test_test_passes_where_every_case_does(policy: Path) -> None:
    """The cases beside the policy are found; rules that none of them shows are named."""
    text = done("test", policy)
    assert "2 of 2 cases pass" in text
    assert f"{policy}:17: in every case of the rule 'late' another decides" in text
    assert f"{policy}: no case is labelled by the section 'inner'" in text
    assert "2 of 3 rules at work (66 %)" in text


def test_test_shows_what_was_expected_and_what_came_instead(policy: Path) -> None:
    """With the line of the case, and of the rule that decided."""
    cases = policy.with_name("other.yaml")
    cases.write_text(
        CASES.replace("redact, rule: inner-goes", "drop").replace("staff\n", "stuff\n")
    )
    text = done("test", policy, cases, status=1)
    assert (
        f"{cases}:3: an inner part goes: expected action drop, got action redact; redact by "
        f"inner-goes ({policy}:13): the inner part is not for customers\n"
    ) in text
    assert "expected action allow, got action block" in text
    assert "the policy has no audience 'stuff'" in text
    assert "0 of 2 cases pass" in text
    found = said("test", policy, cases, cases_beside(policy), status=1)
    assert [case["passed"] for case in found["cases"]] == [False, False, True, True]
    assert found["cases"][0]["differences"] == [
        {"what": "action", "expected": "drop", "got": "redact"}
    ]
    assert found["cases"][0]["explanation"]["deciding"] == {"id": "inner-goes", "line": 13}
    assert found["coverage"]["beaten"] == ["late"]
    assert found["coverage"]["silent"] == ["section:inner"]


def test_test_fails_below_the_coverage_that_is_asked_for(policy: Path) -> None:
    """Two of three rules are 66.7 percent."""
    done("test", policy, "--min-coverage", "66.6")
    text = done("test", policy, "--min-coverage", "67", status=1)
    assert "expected at least 67 % of the rules" in text
    assert "'--min-coverage'" in refused("test", policy, "--min-coverage", "101")


def test_test_says_that_a_policy_is_in_shadow_mode(policy: Path) -> None:
    """It is tried as if it were enforced."""
    policy.write_text(POLICY + "mode: shadow\n")
    text = done("test", policy)
    assert "in shadow mode; tried as if it were enforced" in text and "2 of 2 cases pass" in text


def test_test_refuses_files_it_cannot_use(policy: Path) -> None:
    """One line on stderr and exit status 2, with file and line."""
    cases = policy.with_name("policy.cases.yaml")
    cases.write_text(CASES.replace("action: allow", "action: alow"))
    result = subprocess.run(
        [sys.executable, "-m", "ragtrace", "policy", "test", str(policy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"ragtrace: {cases}:10: cases[1].expect.action: expected one of "
        "allow, context_only, redact, drop, block, got 'alow'\n"
    )
    cases.unlink()
    assert refused("test", policy) == f"{cases}: No such file or directory"


def test_what_a_file_holds_cannot_break_the_terminal(policy: Path) -> None:
    """Line ends, escapes and what cannot be written at all are shown as escapes."""
    odd = '"\\ud800\\e[31m\\n"'
    policy.write_text(POLICY.replace("inner-goes", odd))
    cases = policy.with_name("policy.cases.yaml")
    cases.write_text(CASES.replace("rule: inner-goes", "level: public"))
    words = ("--audience", "customer", "--level", "secret", "--document", "mixed-1")
    for text in (
        done("check", policy),
        done("explain", policy, *words),
        done("test", policy, status=1),
    ):
        assert "\\ud800\\x1b[31m\\n" in text and "\x1b" not in text


def test_the_banks_policy_does_what_its_cases_say() -> None:
    """Every case passes, and every rule is shown at work."""
    policy = read_policy(BANK / "policy.yaml")
    outcomes = [try_case(policy, case) for case in read_cases(BANK / "policy.cases.yaml")]
    assert [outcome.case.name for outcome in outcomes if outcome.differences] == []
    assert coverage(policy, outcomes).percent == 100
    assert coverage(policy, outcomes).silent == ()
    text = done("test", BANK / "policy.yaml", "--min-coverage", "100")
    assert f"{len(outcomes)} of {len(outcomes)} cases pass" in text
