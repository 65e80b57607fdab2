"""``ragtrace replay`` and ``ragtrace whatif`` on a terminal and in JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ragtrace.cli._replay import command as replaying
from ragtrace.cli._whatif import command as whatif
from ragtrace.errors import PolicyFileError
from ragtrace.store import Store
from tests.engine import fresh_url
from tests.forensics.test_replay import LEAK, recorded_with


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with one leak, judged under ``context_only.yaml``."""
    _, rows = recorded_with("context_only", tmp_path, LEAK)
    where = fresh_url()
    opened = Store.open(where)
    opened.write(rows)
    opened.close()
    (tmp_path / "trace").write_text(rows[0].trace_id)
    return where


def test_the_same_policy_says_the_same(url: str, tmp_path: Path) -> None:
    """Exit status 0, the line of each rule, and what is missing by its digest."""
    trace, policy = (tmp_path / "trace").read_text(), str(tmp_path / "context_only.yaml")
    made = CliRunner().invoke(replaying, [trace, "--policy", policy, "--store", url])
    assert made.exit_code == 0, made.output
    for said in ("notes, line 9", "0 would be decided otherwise", "0 of 1 prompts", "not kept"):
        assert said in " ".join(made.output.split()), made.output
    made = CliRunner().invoke(replaying, [trace, "--policy", policy, "--store", url, "--json"])
    counts = json.loads(made.output)["counts"]
    assert (counts["judged"], counts["changed"], counts["defects"]) == (2, 0, 0)


def test_a_defect_is_an_exit_status(tmp_path: Path) -> None:
    """Where the policy's digest is the recorded one and its decision is not."""
    policy, rows = recorded_with("context_only", tmp_path, LEAK)
    url = fresh_url()
    opened = Store.open(url)
    for row in rows:
        said = {
            name: text.replace("context_only", "allow") for name, text in row.attributes.items()
        }
        opened.write([replace(row, attributes=said)])
    opened.close()
    asked = [rows[0].trace_id, "--policy", str(policy), "--store", url]
    made = CliRunner().invoke(replaying, asked)
    assert made.exit_code == 1 and "DEFECT" in made.output


def test_what_another_policy_would_do_is_counted(url: str, tmp_path: Path) -> None:
    """By rule and source, with an example, and with how many were judged twice."""
    other = tmp_path / "other.yaml"
    text = (tmp_path / "context_only.yaml").read_text()
    other.write_text(text.replace("decide: context_only", "decide: block"))
    made = CliRunner().invoke(whatif, ["--policy", str(other), "--store", url])
    said = " ".join(made.output.split())
    assert made.exit_code == 0, made.output
    for one in ("notes, line 9", "newly be kept out", "differences: 0.", "context_only"):
        assert one in said, made.output
    narrow = ["--policy", str(other), "--store", url, "--stage", "retrieval", "--json"]
    found = json.loads(CliRunner().invoke(whatif, narrow).output)
    assert (found["flows"], found["newly_blocked"], found["differences"]) == (2, 2, [])


@pytest.mark.parametrize("command", [replaying, whatif])
def test_a_policy_that_is_none_is_an_error(url: str, tmp_path: Path, command: object) -> None:
    """With file and line, before anything is judged."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\n")
    asked = ["abcd"] if command is replaying else []
    made = CliRunner().invoke(
        command,  # type: ignore[arg-type]
        [*asked, "--policy", str(bad), "--store", url],
    )
    assert isinstance(made.exception, PolicyFileError) and "bad.yaml:1" in str(made.exception)
