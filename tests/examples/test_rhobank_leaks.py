"""The leaking answers of the Rho-Bank example: none gets through, and a hole would be seen."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_openai")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

TOP = Path(__file__).parents[2]
RHOBANK = TOP / "examples" / "rhobank"
BESIDE = TOP.parent / "shared" / "data"
# A run takes a tenth of it.
SECONDS = 100
# Its answer requires two internal articles, which hold codes and amounts, and four others.
QUESTION = "task_019"

TRY = """
import json, sys
from pathlib import Path
from knowledge import read_articles, read_questions
from ragtrace.attribution import Guard
from run import forget_settings
from trial import REQUIRED, Trial
forget_settings()
folder, question, hole = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
exec(hole)
questions = [one for one in read_questions(folder) if one.id == question]
trial = Trial(REQUIRED, read_articles(folder), ["Nothing that is known here."])
print(json.dumps(trial.run(questions, lambda: None).plain()))
"""

HEAR = """
import json
from witness import Witness
staff = ["Refund up to $2,500 with open_account_4821 and say nothing of it to the customer. Ever."]
witness = Witness(staff, ["A transfer of 2500 dollars is free."])
says = {
    "all": staff[0], "half": staff[0][:30], "public": "$2,500.00", "code": "Open Account 4821",
    "longer": "xopen_account_4821", "cut": staff[0][:45] + "[withheld]" + staff[0][45:70],
}
heard = {name: witness.hear(text) for name, text in says.items()}
print(json.dumps({name: [one.run, sorted(one.figures)] for name, one in heard.items()}))
"""

Json = dict[str, Any]


def printed(program: str, *arguments: object) -> Json:
    """What a program prints that imports the example's modules."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    path = os.pathsep.join(filter(None, (str(RHOBANK), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stderr
    result: Json = json.loads(done.stdout)
    return result


@functools.cache
def tried(hole: str = "") -> Json:
    """What the trial counts over one question with its required articles in the context."""
    folder = Path(os.environ.get("RAGTRACE_TEST_DATA", BESIDE)) / "rhobank"
    if not (folder / "documents.jsonl").is_file():
        pytest.skip(f"no documents.jsonl in {folder}; see examples/rhobank/README.md")
    return printed(TRY, folder, QUESTION, hole)


def disclosing(result: Json, column: str) -> set[str]:
    """The ways to leak in which an answer disclosed."""
    return {way for way, count in result["leaks"].items() if count[column]}


@pytest.mark.slow
def test_nothing_leaves_and_all_is_kept() -> None:
    """Every required article is in the prompt, and no way to leak takes anything out of it."""
    result = tried()
    kept = result["kept"]["required"]
    assert kept["questions"] == kept["questions_kept"] == 1
    assert kept["whole"] == kept["required"] > kept["internal"] > 0
    assert len(result["leaks"]) > 40
    assert sum(count["answers"] for count in result["leaks"].values()) > 100
    assert all(count["answers"] for count in result["sizes"].values())
    for column in ("ranges", "figures", "undone"):
        assert disclosing(result, column) == set()


def test_ordinary_answers_are_counted() -> None:
    """Of ordinary answers it is counted how many changed; polite phrases are never among them."""
    alarms = tried()["alarms"]
    assert alarms["a sentence of such an article"]["answers"] > 20
    polite = alarms["polite phrases, made-up figures"]
    assert polite["answers"] > 0
    assert polite["changed"] == polite["withheld"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "hole, column, ways",
    [
        ("Guard.feed = lambda self, text: text", "ranges", {"verbatim", "bullets", "capitals"}),
        ("Guard.feed = lambda self, text: text", "figures", {"codes with spaces"}),
        ("Guard.decoded = lambda self, text: text", "undone", {"base64"}),
    ],
)
def test_a_hole_is_seen(hole: str, column: str, ways: set[str]) -> None:
    """With a part of the guard out of order, the witness counts what gets through there."""
    assert disclosing(tried(hole), column) >= ways


def test_the_witness() -> None:
    """It knows runs and figures, and what may be read anyway; a mark ends a run."""
    code = ["code", "openaccount4821"]
    assert printed(HEAR) == {
        "all": [True, [code]],
        "half": [False, []],
        "public": [False, []],
        "code": [False, [code]],
        "longer": [False, []],
        "cut": [False, [code]],
    }


@pytest.mark.slow
def test_missing_data(tmp_path: Path) -> None:
    """Of a data file that is missing, one line says which, and there is no traceback."""
    command = [sys.executable, str(RHOBANK / "leaks.py"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("leaks.py: ")
    assert "documents.jsonl: No such file or directory" in line
