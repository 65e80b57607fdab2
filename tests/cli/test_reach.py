"""``ragtrace reach``: what it asks for, what it says, and its exit status."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._reach import command
from ragtrace.model import digest
from ragtrace.store import Store
from tests.engine import KEY, START_NS, flow, fresh_url, span


@pytest.fixture
def url() -> str:
    """A store in which a document reached one user, and its answer another."""
    made, name = fresh_url(), digest("an answer")
    derived = flow(1, action="allow", verdict="certain", digest=name, source="completion")
    with Store.open(made, KEY) as opened:
        opened.write(
            [
                span(1, flow(0, action="allow"), ragtrace__completion__digest=name),
                span(2, derived),
                span(3, flow(2, level="public")),
            ]
        )
    return made


def run(url: str, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--store", url])


def users(url: str, *words: str) -> list[str]:
    done = run(url, *words, "--json")
    assert done.exit_code == 0, done.output
    return [row["user"] for row in json.loads(done.stdout)["rows"]]


def test_every_beginning_can_be_asked_for(url: str) -> None:
    """A name, a label, a user, a session and a time; what is given must all hold."""
    after, end = (f"2025-10-09T08:53:20.00000{n}" for n in (0, 1))
    assert users(url, "doc-0") == users(url, "--user", "u1") == ["u1", "u2"]
    assert users(url, "--session", "s1", "--audience", "customer") == ["u1", "u2"]
    assert users(url, "--label", "public") == ["u3"]
    assert users(url, "doc-0", "doc-2") == ["u1", "u2", "u3"]
    assert users(url, "doc-0", "--since", after, "--until", end) == ["u1", "u2"]
    for words in (["doc-0", "--user", "u3"], ["doc-0", "--since", "1h"]):
        nothing = run(url, *words)
        assert nothing.exit_code == 1
        assert "has reached anything" in nothing.output
    assert START_NS == 1_760_000_000_000_000_000  # the times above are around it


def test_the_answer_is_a_sentence_a_table_or_csv(url: str, tmp_path: Path) -> None:
    """The counts say what is derived; CSV goes to a file, or alone to the output."""
    told = run(url, "doc-0").output
    assert "reached 2 prompts" in told
    assert "1 of the prompts have only what was made of it, over up to 1 hops" in " ".join(
        told.split()
    )
    assert run(url, "doc-0", "--csv", str(tmp_path / "out.csv")).exit_code == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 3
    assert run(url, "doc-0", "--csv", "-").output.splitlines() == lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected WHAT"),
        (["doc-0", "--since", "yesterday"], "ISO 8601"),
        (["--passage", "{empty}"], "expected 1 to"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    url: str, tmp_path: Path, words: list[Any], said: str
) -> None:
    """Exit status 2, and what was expected."""
    (tmp_path / "empty").write_text(" \n")
    done = run(url, *(word.format(empty=tmp_path / "empty") for word in words))
    assert done.exit_code == 2
    assert said in done.output


def test_a_csv_file_is_whole_and_its_owners_alone(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells who asked what; where it cannot be written, what was there is as it was."""
    out = tmp_path / "out.csv"
    assert run(url, "doc-0", "--csv", str(out)).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    held = out.read_bytes()

    def full(found: Any) -> Iterator[str]:
        yield "time\r\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ragtrace.forensics.reach_csv", full)
    done = run(url, "doc-0", "--csv", str(out))
    assert "No space left" in str(done.exception)
    assert out.read_bytes() == held and list(tmp_path.iterdir()) == [out]
