"""The commands as a user types them, each in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("chdb")
pytest.importorskip("langchain_core")
pytestmark = pytest.mark.slow

NOTE = (
    "Advisers may waive the early repayment charge of a mortgage once, with code LANTERN-11, "
    "where the customer threatens to leave."
)
APP = f'''
import os, sys
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnablePassthrough
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore

assert "ragtrace" not in open(__file__).read().replace('"rag' + 'trace"', "")
store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
store.add_documents([
    Document("{NOTE}", id="note", metadata={{"label": "staff_only"}}),
    Document("An early repayment charge is due in the first two years of a fixed rate mortgage.",
             id="article", metadata={{"label": "public"}}),
])
chain = (
    {{"context": store.as_retriever() | (lambda found: " ".join(d.page_content for d in found)),
      "question": RunnablePassthrough()}}
    | ChatPromptTemplate.from_template("Context: {{context}}\\nQuestion: {{question}}")
    | FakeListChatModel(responses=["an answer"])
)
print(chain.invoke("May I leave?").content)
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
'''
POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
rules:
  - {id: notes-stay-inside, when: {label: staff_only, audience: customer}, decide: drop}
"""


def ragtrace(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ragtrace", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("OTEL_")} | environ,
    )


def said(*words: str, **environ: str) -> Any:
    done = ragtrace(*words, "--json", **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store filled by one program that was run for a customer and for staff."""
    home = tmp_path_factory.mktemp("home")
    (home / "app.py").write_text(APP)
    (home / "policy.yaml").write_text(POLICY)
    (home / "key").write_text(base64.b64encode(bytes(range(32))).decode())
    (home / "key").chmod(0o600)
    for audience in ("customer", "staff"):
        done = ragtrace(
            *("run", "--policy", str(home / "policy.yaml"), "--audience", audience),
            *("--store", str(home / "store"), "--", sys.executable, str(home / "app.py")),
            RAGTRACE_CONTENT="full",
            RAGTRACE_VAULT_KEY_FILE=str(home / "key"),
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "an answer\n"
        assert "afterwards: ragtrace flows --store" in done.stderr
    return home


def test_run_traces_a_program_that_has_never_heard_of_it(home: Path) -> None:
    """With no change to the program, its flows are in the store, for its audience."""
    flows = said("flows", "--each", "--store", str(home / "store"))
    reached = {(f["audience"], f["document"], f["stage"], f["action"]) for f in flows}
    assert reached == {
        ("customer", "note", "retrieval", "drop"),
        ("customer", "article", "retrieval", "allow"),
        ("customer", "article", "prompt", "allow"),
        ("staff", "note", "retrieval", "allow"),
        ("staff", "note", "prompt", "allow"),
        ("staff", "article", "retrieval", "allow"),
        ("staff", "article", "prompt", "allow"),
    }


def test_run_passes_the_programs_exit_status_on(home: Path, tmp_path: Path) -> None:
    """The program's own exit status is the command's."""
    program = (sys.executable, str(home / "app.py"), "7")
    assert ragtrace("run", "--store", str(tmp_path), "--", *program).returncode == 7


def test_run_says_which_program_it_could_not_start(home: Path) -> None:
    """A program that is not there is an error in one line."""
    done = ragtrace("run", "--store", str(home / "store"), "--", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program: No such file or directory" in done.stderr


def test_flows_are_narrowed_by_what_is_asked(home: Path) -> None:
    """Audience, level, decision and time narrow the map, and it lines up as a table."""
    store = str(home / "store")
    edges = said("flows", "--store", store, "--audience", "customer", "--level", "staff_only")
    assert [(e["stage"], e["action"], e["flows"]) for e in edges] == [("retrieval", "drop", 1)]
    assert said("flows", "--store", store, "--action", "block") == []
    table = ragtrace("flows", "--store", store, "--since", "1h").stdout
    assert "inmemoryvectorstore" in table and "staff_only" in table
    wrong = ragtrace("flows", "--store", store, "--since", "yesterday")
    assert wrong.returncode == 2 and "expected a number and s, m, h, d or w" in wrong.stderr


def test_reach_names_every_prompt_and_who_read_it(home: Path) -> None:
    """The note reached the staff's prompt, and was kept from the customer's."""
    found = said("reach", "note", "--store", str(home / "store"))
    assert found["matched"] == ["document"]
    assert found["counts"]["audiences"] == ["staff"]
    assert found["counts"]["prompts"] == 1
    assert found["counts"]["outcomes"]["kept_out"] == 1
    nothing = ragtrace("reach", "no-such-document", "--store", str(home / "store"))
    assert nothing.returncode == 1 and "no-such-document" in nothing.stderr


def test_trace_puts_the_prompt_together_again(home: Path) -> None:
    """With the vault's key the prompt is there byte for byte, and without it is not."""
    store, key = str(home / "store"), str(home / "key")
    flows = said("flows", "--each", "--store", store, "--document", "note", "--stage", "prompt")
    trace_id = flows[0]["trace_id"]
    view = said("trace", trace_id[:12], "--store", store, RAGTRACE_VAULT_KEY_FILE=key)
    (prompt,) = view["prompts"].values()
    assert NOTE in prompt[0][1] and prompt[0][1].endswith("Question: May I leave?")
    shown = ragtrace("trace", trace_id, "--store", store, RAGTRACE_VAULT_KEY_FILE=key)
    assert "digest proved" in shown.stdout
    sealed = said("trace", trace_id, "--store", store)
    assert list(sealed["prompts"].values()) == [None]
    assert NOTE not in ragtrace("trace", trace_id, "--store", store).stdout


def test_no_text_is_in_the_store_in_the_clear(home: Path) -> None:
    """The files of the store hold ids, labels and digests; texts are sealed."""
    for path in (home / "store").rglob("*"):
        if path.is_file():
            assert b"LANTERN-11" not in path.read_bytes(), path


def test_import_reads_otlp_json_lines(tmp_path: Path) -> None:
    """A file of export requests is in the store afterwards; imported again it changes nothing."""
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "retrieval docs",
        "startTimeUnixNano": "1764000000000000000",
        "endTimeUnixNano": "1764000000000000001",
        "attributes": [
            {
                "key": "gen_ai.retrieval.documents",
                "value": {"stringValue": '[{"id":"a","score":1}]'},
            }
        ],
    }
    file = tmp_path / "spans.jsonl"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n")
    store = str(tmp_path / "store")
    for _ in range(2):
        assert said("import", str(file), "--store", store)["spans"] == 1
    flows = said("flows", "--each", "--store", store)
    assert [(f["document"], f["stage"]) for f in flows] == [("a", "retrieval")]


def test_import_of_a_bad_line_changes_nothing(tmp_path: Path) -> None:
    """The line is named, and nothing of the file is written."""
    file = tmp_path / "spans.jsonl"
    file.write_text('{"resourceSpans": []}\n{"resourceSpans": 3}\n')
    done = ragtrace("import", str(file), "--store", str(tmp_path / "store"))
    assert done.returncode == 2
    assert f"{file}:2: " in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_an_unknown_command_is_an_error_that_helps() -> None:
    """A word that is no command is an error with a hint."""
    done = ragtrace("flow")
    assert done.returncode == 2 and "No such command 'flow'" in done.stderr
