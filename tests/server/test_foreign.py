"""Spans of every tracer over HTTP, from the wire to the answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from ragtrace.forensics import reach, trace
from ragtrace.model import digest
from ragtrace.policy import Policy, parse_policy
from ragtrace.server import create_app
from ragtrace.store import OWNER, Store
from ragtrace.wire import Rope, names, unweave
from tests.engine import fresh_url, store
from tests.golden.bank import ANSWER, PUBLIC, QUESTION, STAFF

pytest.importorskip("chdb")

__all__ = ["store"]

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.jsonl"))
HOLDS_TEXTS = [path for path in GOLDEN if not path.name.startswith("genai")]
"""The official instrumentation records ids and scores of documents, and no text of them."""
POLICY = parse_policy(b"""
version: 1
levels: [public, staff_only]
unlabelled: staff_only
audiences: {customer: {clearance: public}}
""")


def send(opened: Store, path: Path, policy: Policy | None = None) -> None:
    """Post each request of a file, as its tracer's exporter would."""

    async def all_of_it() -> None:
        app = create_app(opened, policy=policy)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for line in path.read_bytes().splitlines():
                answer = await client.post(
                    "/v1/traces", content=line, headers={"content-type": "application/json"}
                )
                assert answer.status_code == 200, answer.text

    asyncio.run(all_of_it())


def trace_ids(opened: Store) -> list[str]:
    with opened._engine.writing("test") as client:
        rows = client.query("SELECT DISTINCT TraceId FROM otel_traces").result_rows
    return [row[0] for row in rows]


@pytest.mark.parametrize("path", HOLDS_TEXTS, ids=lambda path: path.stem)
def test_reach_map_and_trace_answer_for_every_tracer(path: Path, store: Store) -> None:
    """Where the staff's note got is known, of an application that never installed ragtrace."""
    send(store, path, POLICY)
    found = reach(store.seen_by(OWNER), digest(STAFF))
    assert found.counts.prompts == found.counts.completions == 1
    assert found.counts.outcomes["disclosed"] == 1
    assert found.counts.audiences == ("customer",)
    edges = store.edges(access=OWNER)
    assert {(e.level, e.audience, e.action) for e in edges if e.stage == "prompt"} == {
        ("public", "customer", ""),
        ("staff_only", "customer", ""),
    }
    (name,) = trace_ids(store)
    view = trace(store.seen_by(OWNER), name)
    (call,) = [s.span for s in view.steps if s.flows and s.flows[0].stage == "prompt"]
    rope = Rope.from_json(_text(store, call.attributes[names.PROMPT_DIGEST]))
    prompt = unweave(rope, store.texts(rope.references, access=OWNER))
    said = "\n".join(message.text for message in prompt.messages)
    assert all(text in said for text in (STAFF, PUBLIC, QUESTION))
    assert _text(store, call.attributes[names.COMPLETION_DIGEST]) == ANSWER


def test_no_text_is_in_the_table_of_spans(store: Store) -> None:
    """Not a sentence of a document, question or answer, in any attribute of any span."""
    for path in GOLDEN:
        send(store, path)
    with store._engine.writing("test") as client:
        rows = client.query(
            "SELECT SpanAttributes, ResourceAttributes, StatusMessage, SpanName, Events.Attributes"
            " FROM otel_traces"
        ).result_rows
    assert rows
    held = json.dumps(rows, default=str, ensure_ascii=False)
    for text in (STAFF, PUBLIC, QUESTION, ANSWER):
        for start in range(0, len(text) - 20, 5):
            assert text[start : start + 20] not in held


def test_without_a_key_no_text_is_kept_anywhere() -> None:
    """The digests are, and nothing that could be opened."""
    opened = Store.open(fresh_url())
    for path in HOLDS_TEXTS:
        send(opened, path)
    with opened._engine.writing("test") as client:
        rows = client.query("SELECT Text, Kept FROM contents").result_rows
    assert rows and all(not text and not kept for text, kept in rows)
    assert reach(opened.seen_by(OWNER), digest(STAFF)).counts.prompts >= 1
    opened.close()


def _text(opened: Store, name: str) -> str:
    return opened.texts([name], access=OWNER)[name]
