"""Chroma holds what every integration holds that finds documents; and what is its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import chromadb
import pytest
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.api.models.Collection import Collection

import ragtrace
from ragtrace.testing import recording
from ragtrace.testing.conformance import (
    NOTES,
    PUBLIC,
    SECRET,
    Adapter,
    Claim,
    Conformance,
    Note,
    Wire,
    leaks,
    question,
)
from ragtrace_chroma import ChromaInstrumentor
from tests.integrations.conftest import Start
from tests.integrations.kit import Kit as LangChain
from tests.integrations.paths_of_openai import Sdk
from tests.integrations.paths_of_stores import ASKED, CHROMA, made_chroma
from tests.integrations.spans import flows, of


@cache
def client() -> Any:
    """A store in this process."""
    return chromadb.EphemeralClient()


@cache
def filed() -> Any:
    """The notes, filed once."""
    return made_chroma(client())


class Kit:
    """A collection."""

    heard = ""

    def __init__(self, wire: Wire) -> None:
        self.holder = filed()

    def find(self, notes: Sequence[Note]) -> list[str]:
        """All of them, the nearest first."""
        collection = made_chroma(client(), notes)
        found: Any = collection.query(query_embeddings=[[1.0, 0.0]], n_results=len(notes))
        client().delete_collection(collection.name)
        return list(found["documents"][0])

    def fail(self, error: Exception) -> Any:
        """What carries the question to the store breaks."""

        class Broken:
            def _query(self, **asked: Any) -> Any:
                raise error

        made = client().create_collection(f"broken-{uuid4().hex}", embedding_function=None)
        made._client = Broken()
        return made.query(**ASKED)

    def close(self) -> None:
        """Nothing was changed."""


class TestChroma(Conformance):
    adapter = Adapter(
        ChromaInstrumentor,
        Kit,
        CHROMA,
        hooked=[
            (owner, name)
            for owner in (Collection, AsyncCollection)
            for name in ("query", "get", "peek")
        ],
        claims=frozenset({Claim.RETRIEVAL}),
    )


@pytest.mark.parametrize("decision", ["drop", "context_only", "block"])
def test_a_note_is_known_by_the_model_that_is_asked_with_it(
    decision: str, wire: Wire, start: Start
) -> None:
    """What a collection gave is found in the prompt, and guarded in the answer."""
    start(decision)
    with ragtrace.request("customer"):
        notes = "\n\n".join(filed().query(**ASKED)["documents"][0])
        try:
            said = repr(Sdk(wire).ask(notes, question("customer")))
        except ragtrace.PolicyBlocked:
            assert decision == "block" and wire.bodies == []
            return
    assert not leaks(said) and PUBLIC in said
    assert any(map(leaks, wire.of("customer"))) is (decision == "context_only")


def test_a_search_says_what_was_asked_and_what_was_found(start: Start) -> None:
    """One span, of the collection, with its number and the scores of what was found."""
    spans = start("drop")
    with ragtrace.request("customer"):
        filed().query(**ASKED)
    (span,) = of(spans, "retrieval")
    told = span.attributes or {}
    assert told["gen_ai.data_source.id"] == f"chroma/{filed().name}"
    assert told["gen_ai.retrieval.top_k"] == 2
    assert [(flow["action"], flow["score"]) for flow in flows(span)] == [
        ("drop", 0.0),
        ("allow", 1.0),
    ]


def test_ids_and_numbers_alone_are_left_as_they_are(start: Start) -> None:
    """Where no documents are asked for, nothing is judged."""
    spans = start("drop")
    with ragtrace.request("customer"):
        assert filed().get(include=[])["ids"] == [note.id for note in NOTES]
        assert filed().count() == 2
    assert not any(map(flows, of(spans, "retrieval")))


def test_beneath_a_framework_it_is_told_once(kit: LangChain, start: Start) -> None:
    """LangChain's store asks the collection; its search is one, and the collection its source."""
    langchain_chroma = pytest.importorskip("langchain_chroma")  # it is not for Chroma's oldest
    spans = start("drop")
    store = langchain_chroma.Chroma.from_documents(kit.notes, kit.embeddings, client=client())
    with ragtrace.request("customer"):
        found = store.as_retriever(search_kwargs={"k": 2}).invoke("fees")
    assert [note.page_content for note in found] == [PUBLIC]
    (span,) = of(spans, "retrieval")
    assert sorted(flow["action"] for flow in flows(span)) == ["allow", "drop"]


def test_an_unlabelled_note_is_as_strict_as_can_be(start: Start) -> None:
    """A document whose label nobody knows reaches no reader."""
    start("drop")
    notes = made_chroma(client(), [Note("x", SECRET, "")])
    notes.update(ids=["x"], metadatas=[{"level": "no such level"}])
    with ragtrace.request("customer"):
        assert not leaks(repr(notes.query(**ASKED)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of Chroma's own server."""
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        pytest.skip("Chroma's server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    home = str(tmp_path_factory.mktemp("chroma"))
    where = ("--host", "127.0.0.1", "--port", str(port), "--path", home)
    process = subprocess.Popen([program, "run", *where], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.skip("Chroma's server does not start")
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("decision", ["drop", "redact", "block"])
async def test_a_server_asked_in_a_loop_is_the_same(
    decision: str, server: int, start: Start
) -> None:
    """Collections over HTTP, sync and async, give what a collection in this process gives."""
    start(decision)
    made = made_chroma(chromadb.HttpClient("127.0.0.1", server))
    aclient = await chromadb.AsyncHttpClient("127.0.0.1", server)
    notes = await aclient.get_collection(made.name, embedding_function=None)
    for reader, leaking in (("customer", False), ("staff", True)):
        with ragtrace.request(reader):
            found = [
                made.query(**ASKED),
                await notes.query(**ASKED),
                await notes.query(**ASKED, include=["documents"]),
                await notes.get(),
                await notes.peek(),
            ]
        assert [leaks(repr(one)) for one in found] == [leaking] * len(found)
        assert all(PUBLIC in repr(one) for one in found)


POLICY = """
version: 1
levels: [public, staff_only]
unlabelled: public
audiences: {{customer: {{clearance: public}}}}
sources:
  - {{id: notes, match: {{source: {source}}}, level: staff_only}}
rules:
  - {{id: inside, when: {{label: staff_only, audience: customer}}, decide: drop}}
"""


@pytest.mark.parametrize("store_too", [True, False], ids=["beneath", "alone"])
@pytest.mark.parametrize("kind", ["chroma", "chromavectorstore"])
def test_a_collection_has_one_name_whoever_reads_it(
    kind: str, store_too: bool, tmp_path: Path
) -> None:
    """By LlamaIndex's store or Chroma's own client: a policy that names it either way holds."""
    pytest.importorskip("llama_index.vector_stores.chroma")
    from llama_index.core.vector_stores import VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    from ragtrace_llamaindex import LlamaIndexInstrumentor

    notes = made_chroma(client(), [Note("x", SECRET, "")])
    notes.update(ids=["x"], metadatas=[{"colour": "red"}])
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(source=f"{kind}/{notes.name}"))
    wrapped = [LlamaIndexInstrumentor(), *([ChromaInstrumentor()] if store_too else [])]
    with recording(str(policy), instrument=False) as recorder:
        for one in wrapped:
            one.instrument()
        try:
            with ragtrace.request("customer"):
                store = ChromaVectorStore(chroma_collection=notes)
                found = store.query(VectorStoreQuery([1.0, 0.0], similarity_top_k=2))
        finally:
            for one in wrapped:
                one.uninstrument()
        assert found.nodes == []
        told = (span.attributes.get("ragtrace.flows", "[]") for span in recorder.spans)
        names = {flow["source"] for one in told for flow in json.loads(str(one))}
        assert names == {f"chroma/{notes.name}"}
