"""``ragtrace index``: what it reads, what it says, and its exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._index import command
from ragtrace.errors import CorpusIndexError
from tests.prose import prose

NOTE: Final = prose(1, 40)
PAGE: Final = prose(2, 40)
POLICY: Final = """
version: 1
levels: [public, staff_only]
labels: {names: {internal: staff_only}}
audiences: {customer: {clearance: public}}
sections: [{id: inside, heading: "staff only", level: staff_only}]
sources: [{id: notes, match: {source: "kb/notes*"}, level: staff_only}]
unlabelled: public
"""


def run(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=text)


def said(*words: object, text: str | None = None, status: int = 0) -> Any:
    done = run(*words, "--json", text=text)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def refused(*words: object) -> str:
    """The one error, and that it changed nothing."""
    index = Path(str(words[list(words).index("--index") + 1]))
    before = {f: f.read_bytes() for f in index.glob("[!l]*")}
    done = run(*words)
    assert isinstance(done.exception, CorpusIndexError), done.output
    assert {f: f.read_bytes() for f in index.glob("[!l]*")} == before
    return str(done.exception)


def found(index: Path, text: str) -> dict[str, str]:
    """By document, the level of what was found."""
    done = run("scan", "-", "--index", index, "--json", text=text)
    passages = json.loads(done.stdout)["passages"]
    assert done.exit_code == (1 if passages else 0)
    return {p["document"]: p["label"]["level"] for p in passages}


def write_lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), "utf-8")
    return path


def test_build_add_scan_and_remove(tmp_path: Path) -> None:
    """The four commands, one after the other."""
    index = tmp_path / "index"
    one = write_lines(tmp_path / "a.jsonl", {"id": "note", "text": NOTE, "label": "staff_only"})
    two = write_lines(tmp_path / "b.jsonl", {"id": "page", "content": PAGE, "label": "public"})
    assert said("build", one, "--index", index)["index"]["documents"] == 1
    assert said("add", two, "--index", index)["index"]["documents"] == 2
    assert found(index, f"{PAGE} and {NOTE}") == {"page": "public", "note": "staff_only"}
    assert said("remove", "note", "nobody", "--index", index) == {
        "removed": 1,
        "missing": ["nobody"],
    }
    assert found(index, NOTE) == {}
    assert said("build", one, "--index", index)["index"]["documents"] == 1
    assert found(index, f"{PAGE} and {NOTE}") == {"note": "staff_only"}


def test_scan_says_where_and_whose_and_fails_a_build(tmp_path: Path) -> None:
    """The table for a reader, status 1 where something was found and 0 where not."""
    rows = write_lines(tmp_path / "a.jsonl", {"id": "note", "text": NOTE, "source": "kb/notes"})
    run("build", rows, "--index", tmp_path / "i", "--label", "staff_only")
    (tmp_path / "page.txt").write_text(f"first line\nsecond {NOTE}")
    done = run("scan", tmp_path / "page.txt", "--index", tmp_path / "i")
    assert done.exit_code == 1
    assert "2:" in done.output
    for word in ("note", "kb/notes", "staff_only"):
        assert word in done.output
    (passage,) = said("scan", tmp_path / "page.txt", "--index", tmp_path / "i", status=1)[
        "passages"
    ]
    assert passage["owners"][0]["source"] == "kb/notes"
    assert not passage["boilerplate"]
    (tmp_path / "page.txt").write_text(PAGE)
    done = run("scan", tmp_path / "page.txt", "--index", tmp_path / "i")
    assert (done.exit_code, done.output) == (0, "nothing found\n")


def test_a_directory_is_read_with_all_in_it(tmp_path: Path) -> None:
    """By suffix and in order, without hidden files; ids are paths, front matter says more."""
    kb = tmp_path / "kb"
    (kb / "deep" / ".git").mkdir(parents=True)
    (kb / "deep" / "note.md").write_text(
        f"---\nid: N-7\nlabel: staff_only\nsource: kb/notes\ntags: [a]\n---\n{NOTE}"
    )
    (kb / "page.txt").write_text(PAGE)
    (kb / "rule.md").write_text(f"---\n\n{prose(3)}\n\n---\n")
    (kb / "deep" / ".git" / "x.txt").write_text(prose(4))
    (kb / ".hidden.txt").write_text(prose(5))
    (kb / "image.png").write_bytes(b"\x89PNG\0")
    assert said("build", kb, "--index", tmp_path / "i", "--label", "public")["added"] == 3
    text = " ".join([NOTE, PAGE, prose(3), prose(4), prose(5)])
    assert found(tmp_path / "i", text) == {
        "N-7": "staff_only",
        "page.txt": "public",
        "rule.md": "public",
    }
    passages = said("scan", "-", "--index", tmp_path / "i", text=text, status=1)["passages"]
    assert [p["source"] for p in passages] == ["kb/notes", "file/kb", "file/kb"]
    assert found(tmp_path / "i", "id: N-7 label: staff_only source: kb/notes tags: a") == {}


def test_the_policy_labels(tmp_path: Path) -> None:
    """Its level names, sources and sections; without it the document, then the command line."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    rows = write_lines(
        tmp_path / "a.jsonl",
        {"id": "named", "text": prose(1), "label": "internal"},
        {"id": "by source", "text": prose(2), "source": "kb/notes/x"},
        {"id": "nobody", "text": prose(3), "metadata": {"author": "kim"}},
        {"id": "mixed", "text": f"# Fees\n{prose(4)}\n## Staff only\n{prose(5)}\n"},
    )
    said("build", rows, "--index", tmp_path / "i", "--policy", tmp_path / "policy.yaml")
    assert found(tmp_path / "i", prose(1)) == {"named": "staff_only"}
    assert found(tmp_path / "i", prose(2)) == {"by source": "staff_only"}
    assert found(tmp_path / "i", prose(3)) == {"nobody": "public"}
    assert found(tmp_path / "i", prose(4)) == {"mixed": "public"}
    assert found(tmp_path / "i", prose(5)) == {"mixed": "staff_only"}
    both = run(
        "build",
        rows,
        "--index",
        tmp_path / "i",
        "--label",
        "x",
        "--policy",
        tmp_path / "policy.yaml",
    )
    assert both.exit_code == 2
    assert "--label: expected without --policy" in both.output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{not json}", "a.jsonl:3: expected a JSON object in UTF-8"),
        ("[1]", "a.jsonl:3: expected a JSON object, got list"),
        ("[" * 100_000, "a.jsonl:3: expected a JSON object in UTF-8"),
        ('{"id": "x"}', "a.jsonl:3: expected a text in the field text or content"),
        ('{"id": "x", "text": 7}', "a.jsonl:3: expected a text in the field text or content"),
        ('{"text": "x"}', "a.jsonl:3: expected an id, a text or a whole number"),
        ('{"id": true, "text": "x"}', "a.jsonl:3: expected an id, a text or a whole number"),
        (
            '{"id": "x", "text": "x"}',
            "a.jsonl:3: expected a label: in the document, or by --label, or by --policy",
        ),
        ('{"id": "x", "text": "x", "label": {}}', "a.jsonl:3: expected the name of a level"),
        (
            '{"id": "note", "text": "x", "label": "x"}',
            "a.jsonl:3: expected another id, 'note' is that of .*a.jsonl:1",
        ),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_bad_line_is_named_and_changes_nothing(
    tmp_path: Path, line: str, expected: str, there: bool
) -> None:
    """File, line and what was expected, whether or not there is an index already."""
    first = {"id": "note", "text": NOTE, "label": "staff_only"}
    rows = write_lines(tmp_path / "a.jsonl", first)
    if there:
        said("build", rows, "--index", tmp_path / "i")
    with rows.open("a") as file:
        file.write(line + "\n")

    assert re.search(expected, refused("build", rows, "--index", tmp_path / "i"))
    assert (found(tmp_path / "i", NOTE) if there else {}) == (
        {"note": "staff_only"} if there else {}
    )


def test_bad_files_are_named(tmp_path: Path) -> None:
    """A file that is no text, front matter that is no YAML, a path that is not there."""
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "good.txt").write_text(NOTE)
    (tmp_path / "kb" / "latin.txt").write_bytes("Gebühr".encode("latin-1"))
    (tmp_path / "kb" / "zero.txt").write_bytes(b"a\0b")
    words = ("build", tmp_path / "kb", "--index", tmp_path / "i", "--label", "x")
    assert "latin.txt: expected text in UTF-8; --skip-unreadable" in refused(*words)
    done = said(*words, "--skip-unreadable")
    assert (done["added"], len(done["skipped"])) == (1, 2)
    (tmp_path / "bad.md").write_text("---\nid: [1\n---\ntext")
    assert "bad.md:3: expected YAML between" in refused(
        "build", tmp_path / "bad.md", "--index", tmp_path / "i", "--label", "x"
    )
    assert "nowhere: expected a file or a directory" in refused(
        "build", tmp_path / "nowhere", "--index", tmp_path / "i", "--label", "x"
    )
    assert "- is" not in refused("scan", tmp_path / "kb/latin.txt", "--index", tmp_path / "i")


def test_the_key_may_be_kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option or by variable; the index directory holds none then."""
    rows = write_lines(tmp_path / "a.jsonl", {"id": "note", "text": NOTE, "label": "x"})
    index, key = tmp_path / "i", tmp_path / "secret"
    said("build", rows, "--index", index, "--key-file", key)
    assert not (index / "key").exists()
    assert "key: No such file" in refused("scan", rows, "--index", index)
    monkeypatch.setenv("RAGTRACE_INDEX", str(index))
    monkeypatch.setenv("RAGTRACE_INDEX_KEY_FILE", str(key))
    assert said("scan", rows, status=1)["passages"]


def test_an_error_is_one_line_and_status_2(tmp_path: Path) -> None:
    """As of every command, and no index is made where one is only asked for."""
    for words in (("scan", "-"), ("remove", "x")):
        done = subprocess.run(
            [sys.executable, "-m", "ragtrace", "index", *words, "--index", str(tmp_path / "i")],
            input="text",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("ragtrace: ")
        assert done.stderr.count("\n") == 1
        assert "expected an index here" in done.stderr
    assert not (tmp_path / "i").exists()
