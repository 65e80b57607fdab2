"""The bank example: its corpus, its embeddings, its model server and the leak it stages."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("langchain_chroma")
pytest.importorskip("langchain_openai")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

BANK = Path(__file__).parents[2] / "examples" / "bank"
CORPUS = BANK / "corpus"
STAFF_HEADING = "## Staff only"
NOT_FOUND = "I could not find that in the articles I was given."
# Far beyond the three seconds that a run takes, for the sake of slow machines.
APP_SECONDS = 60

Json = dict[str, Any]


def load_articles() -> ModuleType:
    """Return the example's `articles` module without putting the example on `sys.path`."""
    spec = importlib.util.spec_from_file_location("bank_articles", BANK / "articles.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_questions() -> list[Json]:
    """Return the rows of questions.jsonl."""
    return [json.loads(line) for line in (BANK / "questions.jsonl").read_text().splitlines()]


def run_app(*arguments: str, **environment: str) -> str:
    """Return what app.py prints, run bare: with no ragtrace and no model server but its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAGTRACE_", "OPENAI_"))
    }
    command = [sys.executable, str(BANK / "app.py"), *arguments]
    done = subprocess.run(
        command,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=APP_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare_turns() -> dict[str, Json]:
    """The turns of one bare run over all questions, by question id."""
    printed = run_app("--questions", str(BANK / "questions.jsonl"), "--json")
    return {turn["id"]: turn for turn in map(json.loads, printed.splitlines())}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the model server records the bodies it is sent."""
    return tmp_path_factory.mktemp("model") / "bodies.jsonl"


@pytest.fixture(scope="module")
def server(record: Path) -> Iterator[str]:
    """The root URL of a running model server."""
    command = [sys.executable, str(BANK / "model_server.py"), "--port", "0"]
    command += ["--record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        process.wait(timeout=5)


def chat(question: str, context: str, **more: Any) -> Json:
    """Return a chat completion request."""
    content = f"Articles:\n\n{context}\n\nQuestion: {question}"
    messages = [{"role": "user", "content": content}]
    return {"model": "extractive-context-reader", "messages": messages, **more}


CONTEXT = "# Card fees\n\nA new card costs £6. It comes by post.\n\n# Loans\n\nLoans take a day."


def test_corpus_counts_and_front_matter() -> None:
    """The corpus has its help, staff and mixed articles, each with a unique id and its labels."""
    read_article = load_articles().read_article
    articles = {f: [read_article(p) for p in (CORPUS / f).glob("*.md")] for f in os.listdir(CORPUS)}
    assert len(articles["help"]) >= 60
    assert len(articles["staff"]) >= 40
    assert len(articles["mixed"]) == 5
    everything = [article.metadata for group in articles.values() for article in group]
    assert len({metadata["id"] for metadata in everything}) == len(everything)
    assert all(metadata["title"] for metadata in everything)
    for article in articles["help"] + articles["mixed"]:
        assert (article.metadata["kb"], article.metadata["audience"]) == ("help_center", "public")
    labels = [article.metadata.get("audience") for article in articles["staff"]]
    assert {article.metadata["kb"] for article in articles["staff"]} == {"staff_handbook"}
    assert labels.count(None) == 6
    assert labels.count("staff_only") == len(labels) - 6


@pytest.mark.parametrize("folder, sections", [("help", 0), ("staff", 0), ("mixed", 1)])
def test_staff_only_sections(folder: str, sections: int) -> None:
    """Every mixed document, and no other, has exactly one staff-only section."""
    for path in (CORPUS / folder).glob("*.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines.count(STAFF_HEADING) == sections, path.name


def test_articles_are_of_readable_length() -> None:
    """Every article has between 120 and 350 words below its title."""
    for path in CORPUS.rglob("*.md"):
        body = path.read_text(encoding="utf-8").split("\n# ", 1)[1].split("\n", 1)[1]
        assert 120 <= len(body.split()) <= 350, path.name


def test_long_article_is_cut_at_headings() -> None:
    """An article beyond the chunk length is cut before a heading, and nothing of it is lost."""
    articles = load_articles()
    body = "# Title\n\n" + "\n\n".join(f"## Part {n}\n\n{'word ' * 150}end." for n in range(4))
    document = articles.Document(id="long", page_content=body, metadata={"id": "long"})
    pieces = articles.chunks(document)
    assert [piece.id for piece in pieces] == ["long#1", "long#2"]
    assert "\n\n".join(piece.page_content for piece in pieces) == body
    assert pieces[1].page_content.startswith("## Part ")


def test_questions_expect_known_articles() -> None:
    """Every question names an audience and the article that should answer it, or none."""
    ids = {f"{path.parent.name}-{path.stem}" for path in CORPUS.rglob("*.md")}
    rows = read_questions()
    assert {row["audience"] for row in rows} == {"customer", "staff"}
    assert all(row["expects"] is None or row["expects"] in ids for row in rows)
    asked = {row["question"] for row in rows if row["audience"] == "customer"}
    assert all(row["question"] in asked for row in rows if row["audience"] == "staff")


def test_embeddings_are_deterministic_across_processes() -> None:
    """Two processes with different hash seeds give one text the same unit vector."""
    code = "import json, embeddings as e; v = e.HashedWordEmbeddings().embed_query("
    code += "'overdraft fee refund'); print(json.dumps(v))"
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=BANK,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert sum(value * value for value in json.loads(printed[0])) == pytest.approx(1.0)


def test_bare_app_leaks_staff_notes_to_customers(bare_turns: dict[str, Json]) -> None:
    """Bare, at least four customer questions are answered in the words of a staff note."""
    leaks = []
    for turn in bare_turns.values():
        folder, _, name = turn["retrieved"][0].partition("-")
        if turn["audience"] == "customer" and folder == "staff":
            note = (CORPUS / "staff" / f"{name}.md").read_text(encoding="utf-8")
            leaks += [turn["id"]] * any(s in note for s in turn["answer"].split(". "))
    assert len(leaks) >= 4


def test_bare_app_retrieves_what_each_question_expects(bare_turns: dict[str, Json]) -> None:
    """The article that should answer is always retrieved, and the stray question gets none."""
    for row in read_questions():
        turn = bare_turns[row["id"]]
        if row["expects"] is None:
            assert turn["answer"] == NOT_FOUND
        else:
            assert row["expects"] in turn["retrieved"], row["id"]


@pytest.mark.slow
def test_app_shows_the_configured_server_the_articles(server: str, record: Path) -> None:
    """With OPENAI_BASE_URL set, the app sends the retrieved articles there, streamed or not."""
    arguments = ["--kb", "help", "--question", "How do I set up a standing order?", "--stream"]
    printed = run_app(*arguments, OPENAI_BASE_URL=f"{server}/v1")
    assert "Q (customer): How do I set up a standing order?" in printed
    assert "tap Regular, then New standing order." in printed
    shown = json.loads(record.read_text(encoding="utf-8").splitlines()[-1])
    assert shown["stream"] is True
    assert "# Set up a standing order" in shown["messages"][-1]["content"]


def test_stream_gives_the_unstreamed_text(server: str) -> None:
    """The pieces of a streamed answer add up to the unstreamed one, and usage and DONE follow."""
    request = chat("What does a new card cost?", CONTEXT)
    url = f"{server}/v1/chat/completions"
    whole = httpx.post(url, json=request).json()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    streamed = httpx.post(url, json=request | options).text
    events = [line.removeprefix("data: ") for line in streamed.splitlines() if line]
    chunks = [json.loads(event) for event in events[:-1]]
    pieces = [choice["delta"].get("content", "") for c in chunks for choice in c["choices"]]
    assert events[-1] == "[DONE]"
    assert "".join(pieces) == whole["choices"][0]["message"]["content"] == "A new card costs £6."
    assert chunks[-1]["usage"] == whole["usage"]


def test_answer_when_nothing_fits(server: str) -> None:
    """A question that the context does not answer is answered with the sentence that says so."""
    request = chat("Who painted the harbour mural?", CONTEXT)
    reply = httpx.post(f"{server}/v1/chat/completions", json=request).json()
    assert reply["choices"][0]["message"]["content"] == NOT_FOUND


def test_models_and_embeddings(server: str) -> None:
    """The server lists its models by their honest names and embeds texts in order."""
    listed = httpx.get(f"{server}/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["extractive-context-reader", "hashed-words"]
    reply = httpx.post(f"{server}/v1/embeddings", json={"input": ["card", "loan"]}).json()
    assert [row["index"] for row in reply["data"]] == [0, 1]
    assert all(len(row["embedding"]) == 1024 for row in reply["data"])


def test_refusals(server: str) -> None:
    """An oversized body gets 413, a malformed one 400, and an unknown route 404."""
    url = f"{server}/v1/chat/completions"
    assert httpx.post(url, content=b" " * (1024 * 1024 + 1)).status_code == 413
    assert httpx.post(url, content=b"{").status_code == 400
    assert httpx.post(url, json={"messages": []}).status_code == 400
    unknown = httpx.get(f"{server}/v1/unknown")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["type"] == "invalid_request_error"
