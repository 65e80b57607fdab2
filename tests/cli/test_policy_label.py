"""``ragtrace policy label``: what it writes, what it says, and what no longer happens after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli import _policy_label
from ragtrace.cli._policy import command
from ragtrace.errors import CorpusIndexError, PolicyFileError
from ragtrace.labels import _pii
from ragtrace.labels._named import NamedEntities
from ragtrace.model import Label, Passage, Source, digest
from ragtrace.policy import read_policy
from tests.named import model_of

POLICY: Final = """
version: 1
levels: [public, personal, secret]
audiences: {customer: {clearance: public}}
registry: labels.jsonl
sections: [{id: inside, heading: Staff only, level: secret}]
sources: [{id: notes, match: {source: "kb/notes"}, level: secret, compartments: [hr]}]
"""
PII: Final = "pii: {entities: [EMAIL_ADDRESS, PERSON], model: model, level: personal}\n"
ROWS: Final[list[dict[str, Any]]] = [
    {"id": "1", "text": "Ask Ann Miller (ann@example.com).", "label": "public"},
    {"id": "2", "text": "# Fees\nfree\n## Staff only\nno\n", "metadata": {"label": "public"}},
    {"id": "3", "text": "A note.", "source": "kb/notes", "label": "public"},
    {"id": "4", "text": "Nobody labelled this, ann@example.com."},
    {"id": "5", "text": "Nor this."},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy with a registry that is not there yet, and texts."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    write(tmp_path / "texts.jsonl", ROWS)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(folder: Path, *words: str) -> Result:
    paths = ["policy.yaml", "texts.jsonl"]
    out = ["--out", str(folder / "labels.jsonl")]
    return CliRunner().invoke(command, ["label", *(str(folder / p) for p in paths), *out, *words])


def said(folder: Path, *words: str) -> dict[str, Any]:
    done = run(folder, *words, "--json")
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def lines(folder: Path) -> dict[str, Any]:
    """What is written, by the text."""
    given = map(json.loads, (folder / "texts.jsonl").read_text().splitlines())
    texts = {digest(row["text"]): row["text"] for row in given}
    rows = map(json.loads, (folder / "labels.jsonl").read_text().splitlines())
    return {texts[row.pop("digest")]: row for row in rows}


def test_labels_and_parts_are_written_down(folder: Path) -> None:
    """Of a text that nobody labelled, and that has no parts, nothing is known."""
    assert said(folder) == {
        "out": str(folder / "labels.jsonl"),
        "texts": 5,
        "labelled": 3,
        "ranges": 1,
        "differing": 0,
        "unknown_level": 0,
        "too_long": 0,
        "skipped": [],
    }
    assert lines(folder) == {
        ROWS[0]["text"]: {"level": "public"},
        ROWS[1]["text"]: {
            "level": "public",
            "ranges": [{"start": 12, "end": 29, "level": "secret"}],
        },
        ROWS[2]["text"]: {"level": "secret", "compartments": ["hr"]},
    }
    labeller = read_policy(folder / "policy.yaml").labeller
    copy = labeller.label(Passage("A note.", Source("new"), {"label": "public"}))
    assert copy.label == Label("secret", frozenset({"hr"}))
    assert said(folder)["texts"] == 5  # with the registry there: it is not read
    assert "5 texts, 3 with a label, 1 ranges" in run(folder).output


def test_afterwards_no_recogniser_runs_where_texts_are_retrieved(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk is the same as without a registry; a changed rule is looked for anew."""
    pytest.importorskip("presidio_analyzer")
    model_of(folder / "model", PERSON="Ann Miller")
    (folder / "policy.yaml").write_text(POLICY + PII)
    plain = read_policy(folder / "policy.yaml", registry=False).labeller
    passages = [
        Passage(row["text"], Source(row.get("source", "x")), row.get("metadata", row), row["id"])
        for row in ROWS
    ]
    before = [plain.label(passage) for passage in passages]
    assert said(folder)["ranges"] == 4
    calls: list[str] = []

    def counted(kind: type) -> None:
        analyze = kind.analyze
        monkeypatch.setattr(
            kind,
            "analyze",
            lambda self, text, *rest: calls.append(text) or analyze(self, text, *rest),
        )

    counted(NamedEntities)
    counted(type(_pii._recognisers(("EMAIL_ADDRESS",))[0]))
    after = [read_policy(folder / "policy.yaml").labeller.label(passage) for passage in passages]
    assert calls == []
    assert [(c.label, c.ranges) for c in after] == [(c.label, c.ranges) for c in before]
    assert sum(len(chunk.ranges) for chunk in after) == 4
    (folder / "policy.yaml").write_text(POLICY + PII.replace("level: personal", "by_entity: true"))
    changed = read_policy(folder / "policy.yaml").labeller.label(passages[0])
    assert calls == [ROWS[0]["text"]] * 2
    assert "pii:PERSON" in {name for part in changed.ranges for name in part.label.compartments}


def test_what_a_registry_cannot_say_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two labels of one text, a level that nobody knows, and more ranges than a line holds."""
    monkeypatch.setattr(_policy_label, "MAX_REGISTRY_LINE", 200)
    many = [{"start": n, "end": n + 1, "label": "secret"} for n in range(0, 40, 2)]
    rows = [
        {"id": "1", "text": "twice", "label": "public"},
        {"id": "2", "text": "twice", "label": "secret"},
        {"id": "3", "text": "odd", "label": "made up"},
        {"id": "4", "text": "long" * 10, "label": "public", "restricted_spans": many},
    ]
    write(folder / "texts.jsonl", rows)
    done = said(folder)
    assert (done["differing"], done["unknown_level"], done["too_long"]) == (1, 1, 1)
    assert lines(folder) == {
        "twice": {"level": "secret"},
        "odd": {"level": "secret"},
        "long" * 10: {"level": "public"},
    }
    text = run(folder).output
    for sentence in ("1 came with different labels", "1 have a level", "1 have more ranges"):
        assert sentence in text
    read_policy(folder / "policy.yaml")


@pytest.mark.parametrize("limit", ["MAX_REGISTRY_TEXTS", "MAX_REGISTRY_RANGES"])
def test_all_or_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A text that cannot be read, and one more than fits, leave the registry as it was."""
    run(folder)
    before = (folder / "labels.jsonl").read_bytes()
    files = sorted(path.name for path in folder.iterdir())
    monkeypatch.setattr(_policy_label, limit, 0)
    done = run(folder)
    assert isinstance(done.exception, PolicyFileError)
    assert "texts.jsonl:" in str(done.exception)
    monkeypatch.undo()
    with (folder / "texts.jsonl").open("a") as file:
        file.write("{not json}\n")
    done = run(folder)
    assert isinstance(done.exception, CorpusIndexError)
    assert "texts.jsonl:6: expected a JSON object" in str(done.exception)
    assert (folder / "labels.jsonl").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == files


def test_a_write_that_fails_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside it."""
    run(folder)
    before = (folder / "labels.jsonl").read_bytes()
    write(folder / "texts.jsonl", ROWS[:1])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_policy_label.os, "fsync", full)
    done = run(folder)
    assert str(done.exception) == f"{folder / 'labels.jsonl'}: No space left on device"
    assert (folder / "labels.jsonl").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


def test_an_error_is_one_line_and_status_2(folder: Path) -> None:
    """As of every command: a place where nothing can be written."""
    words = ["policy.yaml", "texts.jsonl", "--out", "texts.jsonl/labels.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "ragtrace", "policy", "label", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "ragtrace: texts.jsonl/labels.jsonl: Not a directory\n"
