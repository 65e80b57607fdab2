"""A real Phoenix is sent our spans and says what it has made of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import ragtrace
from tests.integrations.kit import PUBLIC, SECRET, Kit, ask, leaks, question, write_policy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("RAGTRACE_TEST_PHOENIX", ROOT / ".venv-phoenix" / "bin" / "python"))
STARTS_WITHIN = 180.0
"""Seconds that Phoenix may take: alone on two cores it takes 13, beside a whole suite more."""

Told = list[dict[str, Any]]


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Phoenix on loopback that reaches out to nobody."""
    if not PYTHON.exists():
        pytest.skip(f"no Phoenix at {PYTHON}; `make peers` puts one there")
    folder = tmp_path_factory.mktemp("phoenix")
    web, grpc = _free_ports()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    settings = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(web),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    }
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PYTHON, str(Path(__file__).with_name("loopback.py"))],
            env=kept | settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{web}"
        _until(lambda: _answers(url), STARTS_WITHIN, lambda: log.read_text()[-2000:], process)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _until(
    done: Callable[[], bool],
    seconds: float,
    why: Callable[[], str],
    process: subprocess.Popen[bytes] | None = None,
) -> None:
    end = time.monotonic() + seconds
    while not done():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} seconds: {why()}")
        time.sleep(0.2)


class Sent:
    """Turns that are asked under ragtrace and sent to one project of a Phoenix."""

    def __init__(self, url: str, folder: Path, project: str) -> None:
        self._url, self._folder, self._project = url, folder, project

    def ask(self, kit: Kit, audience: str, decide: str, *, content: bool) -> Told:
        """One turn; gives the spans that Phoenix has of it, once it has the three of them."""
        resource = Resource({"openinference.project.name": self._project})
        provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(f"{self._url}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        ragtrace.init(
            write_policy(self._folder, decide, "refuse"),
            openinference=True,
            content=content,
            tracer_provider=provider,
            logger_provider=LoggerProvider(),
        )
        ask(kit, audience)
        ragtrace.shutdown()
        provider.shutdown()
        _until(lambda: len(self.spans()) == 3, 30, lambda: f"Phoenix has {self.spans()}")
        return self.spans()

    def spans(self) -> Told:
        """What Phoenix's REST interface says of the project's spans."""
        answer = httpx.get(f"{self._url}/v1/projects/{self._project}/spans", timeout=30)
        return list(answer.json()["data"]) if answer.status_code == 200 else []

    def drawn(self, kind: str) -> dict[str, Any]:
        """What Phoenix's own page is given to draw a span of this kind."""
        asked = (
            "query($name: String!) { getProjectByName(name: $name) { spans(first: 10) { edges {"
            " node { name spanKind statusCode statusMessage attributes numDocuments"
            " input { value } } } } } }"
        )
        body = {"query": asked, "variables": {"name": self._project}}
        answer = httpx.post(f"{self._url}/graphql", json=body, timeout=30).json()
        assert "errors" not in answer, answer
        edges = answer["data"]["getProjectByName"]["spans"]["edges"]
        (node,) = [edge["node"] for edge in edges if edge["node"]["spanKind"].upper() == kind]
        return {**node, "attributes": json.loads(node["attributes"])}


@pytest.fixture
def sent(phoenix: str, tmp_path: Path) -> Sent:
    """A project of this test's own."""
    return Sent(phoenix, tmp_path, tmp_path.name)


def kinds(spans: Told) -> dict[str, str]:
    return {span["span_kind"]: span["name"] for span in spans}


def documents(span: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The documents of a retrieval as Phoenix nests them, by id."""
    found = span["attributes"]["retrieval"]["documents"]
    return {one["document"]["id"]: one["document"] for one in found}


def test_phoenix_draws_documents_prompt_and_scores(sent: Sent, kit: Kit) -> None:
    """With both switches on: a tree of three, documents with text and score, the prompt."""
    spans = sent.ask(kit, "staff", "drop", content=True)
    assert set(kinds(spans)) == {"CHAIN", "RETRIEVER", "LLM"}
    turn = next(span for span in spans if span["span_kind"] == "CHAIN")
    parents = {span["parent_id"] for span in spans if span is not turn}
    assert parents == {turn["context"]["span_id"]}

    search = sent.drawn("RETRIEVER")
    assert search["numDocuments"] == 2
    assert search["input"]["value"] == question("staff")
    found = documents(search)
    assert found["note-secret"]["content"] == SECRET
    assert found["note-public"]["content"] == PUBLIC
    assert all(isinstance(one["score"], float) for one in found.values())
    about = found["note-secret"]["metadata"]
    about = json.loads(about) if isinstance(about, str) else about
    assert about["level"] == "staff_only"

    call = sent.drawn("LLM")["attributes"]["llm"]
    given = [one["message"] for one in call["input_messages"]]
    assert [one["role"] for one in given] == ["system", "user"]
    assert SECRET in given[0]["content"] and PUBLIC in given[0]["content"]
    assert "I was told" in call["output_messages"][0]["message"]["content"]


def test_phoenix_is_shown_what_the_customer_may_read(sent: Sent, kit: Kit) -> None:
    """The staff's note is drawn by its label and length, and stands nowhere in what Phoenix has."""
    spans = sent.ask(kit, "customer", "context_only", content=True)
    assert not leaks(json.dumps(spans))
    found = documents(sent.drawn("RETRIEVER"))
    assert found["note-secret"]["content"] == f"[staff_only: {len(SECRET)} characters]"
    assert found["note-public"]["content"] == PUBLIC
    given = sent.drawn("LLM")["attributes"]["llm"]["input_messages"][0]["message"]["content"]
    assert PUBLIC in given and "[staff_only: " in given


def test_phoenix_gets_no_text_where_content_is_off(sent: Sent, kit: Kit) -> None:
    """Ids, scores and kinds are there; no text of anybody is."""
    told = json.dumps(sent.ask(kit, "staff", "drop", content=False))
    assert not leaks(told) and PUBLIC[:20] not in told and "about my fee" not in told
    found = documents(sent.drawn("RETRIEVER"))
    assert set(found) == {"note-secret", "note-public"}
    assert all("score" in one and "content" not in one for one in found.values())
    assert "input_messages" not in sent.drawn("LLM")["attributes"].get("llm", {})


def test_a_blocked_call_is_an_error_to_phoenix(sent: Sent, kit: Kit) -> None:
    """It is red, says which rule, and shows the refusal and no prompt."""
    told = sent.ask(kit, "customer", "block", content=True)
    assert not leaks(json.dumps(told))
    call = sent.drawn("LLM")
    assert call["statusCode"] == "ERROR" and "staff-notes" in call["statusMessage"]
    said = call["attributes"]["llm"]
    assert "branch" in said["output_messages"][0]["message"]["content"]
    assert "input_messages" not in said
