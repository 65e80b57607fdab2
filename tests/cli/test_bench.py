"""``ragtrace bench`` as a user types it, at tiny sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import ragtrace.testing.attribution as bench
import ragtrace.testing.policy as policy_bench
from ragtrace.cli._bench import SECTIONS, command
from ragtrace.errors import RagtraceError
from tests.attribution.test_evaluation import TINY

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size is tiny, and there is no data but what a test names."""
    monkeypatch.setattr(bench, "FULL", TINY)
    monkeypatch.setattr(bench, "QUICK", TINY)
    monkeypatch.setattr(bench, "data_beside_checkout", lambda: None)
    monkeypatch.delenv("RAGTRACE_TEST_DATA", raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, ["attribution", *words])


def refused(*words: str) -> str:
    """What ``main`` says in one line on stderr, with exit status 2."""
    done = run(*words)
    assert done.stdout == ""
    if isinstance(done.exception, RagtraceError):
        return str(done.exception)
    assert done.exit_code == 2, done.output
    return done.stderr


def test_json_has_rows_as_every_bench_has() -> None:
    """Name, value, unit, bar and ok; what is said to the reader goes to stderr."""
    done = run("--only", "guard", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {tuple(row) for row in rows} == {("name", "value", "unit", "bar", "ok")}
    assert all(row["ok"] for row in rows if row["bar"] is None)
    assert {row["bar"] for row in rows} >= {None, 0, 10}
    assert "generated prose" in done.stderr


def test_tables_say_which_bars_are_missed() -> None:
    """Each section has its tables; the last lines count the bars and name those missed."""
    done = run("--only", "precision")
    assert done.exit_code == 0, done.output
    assert "8 documents of one topic" in done.stdout
    assert "0 ok ≤ 0" in done.stdout
    assert " of 14 bars cleared" in done.stdout


def test_the_sections_are_those_that_are_measured() -> None:
    """The names that the help lists are those of the bench, and the documentation has each."""
    assert tuple(bench.SECTIONS) == SECTIONS
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert all(f"### {section}\n" in page for section in SECTIONS)


def test_data_that_is_not_there_is_refused() -> None:
    """One line on stderr says what was expected where."""
    done = subprocess.run(
        [sys.executable, "-m", "ragtrace", "bench", "attribution", "--data", "/nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    expected = "ragtrace: /nowhere: no attribution/*.jsonl with rows of documents in it\n"
    assert done.stderr == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":1: not a JSON object"),
        ("[1]", ":1: no docs or responses"),
        ('{"docs": []}', ":1: no responses"),
        ('{"docs": [{"id": 1}], "responses": []}', ":1: docs without text"),
        ('{"docs": [{"text": "one"}], "responses": []}', "no collection of 24 documents"),
    ],
)
def test_data_that_is_something_else_is_refused(line: str, said: str, tmp_path: Path) -> None:
    """The message names the file, the line and what is missing."""
    (tmp_path / "attribution").mkdir()
    (tmp_path / "attribution" / "rows.jsonl").write_text(f"{line}\n")
    assert said in refused("--data", str(tmp_path))


def test_a_plot_has_to_be_possible() -> None:
    """Format, directory and section are checked before anything is measured."""
    assert "expected a name in .svg or .png" in refused("--plot", "line.doc")
    assert "no such directory" in refused("--plot", "/nowhere/line.svg")
    assert "draws what the section speed" in refused("--plot", "x.svg", "--only", "guard")


def test_data_of_our_own_is_read(tmp_path: Path) -> None:
    """Rows of documents and answers, in any number of files."""
    made = bench.generated(topics=1, documents=30)
    (tmp_path / "attribution").mkdir()
    docs = [{"text": text} for text in made.documents]
    row = {"collection": "own", "docs": docs, "responses": [{"text": made.answers[0].text}]}
    (tmp_path / "attribution" / "rows.jsonl").write_text(json.dumps(row) + "\n")
    done = run("--data", str(tmp_path), "--only", "guard", "--json")
    assert done.exit_code == 0, done.output
    assert "generated" not in done.stderr


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy bench of a few batches."""
    monkeypatch.setattr(policy_bench, "QUICK", policy_bench.Effort(turns=3, checked=2))
    monkeypatch.setattr("ragtrace.testing.policy._bench.SIZES", (10, 1))
    monkeypatch.setattr(policy_bench, "measure_sharing", lambda *_: iter(()))


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_the_cost_of_a_decision_has_its_rows_ratios_first() -> None:
    """Every engine that is installed at every size, and the bar for ten chunks of ours."""
    done = CliRunner().invoke(command, ["policy", "--quick", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {tuple(row) for row in rows} == {("name", "value", "unit", "bar", "ok")}
    assert "times as long as ragtrace" in rows[0]["name"]
    barred = [row["name"] for row in rows if row["bar"] is not None]
    assert barred == [
        "policy: 10 chunks x 50 rules: ragtrace, documents seen before: median",
        "policy: 10 chunks x 50 rules: ragtrace, documents never seen: median",
    ]
    for engine in policy_bench.ENGINES:
        named = [row for row in rows if engine.name in row["name"] and "median" in row["name"]]
        assert bool(named) is engine.installed
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.usefixtures("few")
def test_an_engine_that_is_not_installed_is_left_out_and_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line says how to install it; the table has the others."""
    ours, *_, last = policy_bench.ENGINES
    engines = (ours, last._replace(name="absent", needs="absent-engine", module="absent_engine"))
    monkeypatch.setattr("ragtrace.testing.policy._bench.ENGINES", engines)
    monkeypatch.setattr("ragtrace.testing.policy._engine.ENGINES", engines)
    done = CliRunner().invoke(command, ["policy", "--quick"])
    assert done.exit_code == 0, done.output
    line = "not compared with absent-engine: pip install 'ragtrace-otel[bench]'"
    assert line in " ".join(done.stderr.split())
    assert "documents never seen" in done.stdout
    assert " of 2 bars cleared" in done.stdout
    assert "absent" not in done.stdout


@pytest.mark.parametrize("sizes", [(5_000,), pytest.param((5_000, 5_500), marks=pytest.mark.slow)])
def test_the_questions_of_an_incident_have_bars_at_every_size(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    """Cold and warm over each store; what is kept is asked again, and another store is refused.

    In a process of its own: the engine takes one directory.
    """
    keep = tmp_path / "kept"
    program = (
        "from ragtrace.testing.forensics import Effort, measure\n"
        "import json, pathlib, sys\n"
        f"effort = Effort({sizes}, 1, pathlib.Path(sys.argv[1]))\n"
        "print(json.dumps([row.as_json() for row in measure(effort)]))\n"
    )
    made, again = (
        subprocess.run(
            [sys.executable, "-c", program, str(keep)], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    rows = json.loads(made.stdout)
    named = [row["name"] for row in rows]
    assert named == [row["name"] for row in json.loads(again.stdout)]
    bars = [row for row in rows if row["bar"] is not None]
    assert {row["bar"] for row in bars} == {150, 300, 15_000}
    assert all("warm" in row["name"] for row in bars)
    assert {row["name"].partition(" flows")[0] for row in rows} == {f"{size:,}" for size in sizes}
    assert rows[0]["name"] == "5,000 flows: the store: flows" and rows[0]["value"] >= 5_000
