"""The scripted incident of the Rho-Bank example: all of it is told, and a hole would be seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("langchain_openai")
pytest.importorskip("chdb")

TOP = Path(__file__).parents[2]
RHOBANK = TOP / "examples" / "rhobank"
BESIDE = TOP.parent / "shared" / "data"
# A run takes a tenth of it.
SECONDS = 110

HOLED = """
import sys
import score
from ragtrace.forensics import reach
from dataclasses import replace
def holed(*asked, **options):
    found = reach(*asked, **options)
    return replace(found, rows=found.rows[:-1])
score.reach = holed
sys.argv[0] = "incident.py"
import incident
sys.exit(incident.main())
"""


def staged(*arguments: object, program: str = "") -> subprocess.CompletedProcess[str]:
    """A run of the incident, or of a program that changes it first."""
    folder = Path(os.environ.get("RAGTRACE_TEST_DATA", BESIDE)) / "rhobank"
    if not (folder / "documents.jsonl").is_file():
        pytest.skip(f"no documents.jsonl in {folder}; see examples/rhobank/README.md")
    path = os.pathsep.join(filter(None, (str(RHOBANK), os.environ.get("PYTHONPATH"))))
    command = ["-c", program] if program else [str(RHOBANK / "incident.py")]
    return subprocess.run(
        [sys.executable, *command, "--data", str(folder), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.slow
def test_everything_that_has_to_be_exact_is(tmp_path: Path) -> None:
    """Of 200 requests the truth is kept, and every figure with a bar clears it."""
    done = staged("--requests", 200, "--json", "--out", tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert all(row["ok"] for row in rows.values())
    assert rows["certain: prompts: true"]["value"] > 200
    assert rows["certain: prompts: recall"]["value"] == rows["certain: prompts: recall"]["bar"] == 1
    assert rows["whatif: flows touched: true"]["value"] > 200
    for name in ("certain: prompts, quoted", "whatif: flows touched"):
        assert rows[f"{name}: precision"]["bar"] == rows[f"{name}: recall"]["bar"] == 1
    for name in ("taint, of what was used", "taint, of what was shown"):
        assert rows[f"{name}: recall"]["value"] == 1 > rows[f"{name}: precision"]["value"]
    kinds = "cached, colleague, expert, handed on, remembered, retrieved, rewritten, summed up"
    assert all(rows[f"model calls, {kind}"]["value"] for kind in kinds.split(", "))
    calls = (tmp_path / "kept" / "truth_calls.jsonl").read_text().splitlines()
    assert len(calls) == rows["model calls"]["value"]
    assert {"prompt", "completion", "holds", "made_of", "shown"} < json.loads(calls[0]).keys()
    again = staged("--requests", 1, "--out", tmp_path / "kept")
    assert again.returncode == 2 and "expected an empty directory" in again.stderr


@pytest.mark.slow
def test_a_hole_in_reach_is_seen() -> None:
    """Where reach loses one row of a document, the incident fails and names it."""
    done = staged("--requests", 40, program=HOLED)
    assert done.returncode == 1
    assert "certain: prompts: not what truly happened, as of doc_" in done.stderr
