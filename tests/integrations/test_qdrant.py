"""Qdrant holds what every integration holds that finds documents; and what is its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models

import ragtrace
from ragtrace.testing.conformance import (
    PUBLIC,
    SECRET,
    Adapter,
    Claim,
    Conformance,
    Note,
    Wire,
    leaks,
)
from ragtrace_qdrant import QdrantInstrumentor
from tests.integrations.conftest import Start
from tests.integrations.paths_of_stores import QDRANT, WHERE, made_qdrant
from tests.integrations.spans import flows, of


@cache
def filed() -> QdrantClient:
    """A client that is a store, with the notes in it."""
    client = QdrantClient(":memory:")
    made_qdrant(client)
    return client


class Kit:
    """A client."""

    heard = ""

    def __init__(self, wire: Wire) -> None:
        self.holder = filed()

    def find(self, notes: Sequence[Note]) -> list[str]:
        """All of them, the nearest first."""
        client = QdrantClient(":memory:")
        made_qdrant(client, notes)
        found = client.query_points(**WHERE, query=[1.0, 0.0], limit=len(notes))
        payloads: list[Any] = [point.payload for point in found.points]
        return [payload.get("text") or payload.get("page_content") for payload in payloads]

    def fail(self, error: Exception) -> Any:
        """What carries the question to the server breaks."""
        client: Any = QdrantClient(":memory:")

        def broken(*args: Any, **kwargs: Any) -> Any:
            raise error

        client._client.query_points = broken
        return client.query_points(**WHERE, query=[1.0, 0.0])

    def close(self) -> None:
        """Nothing was changed."""


class TestQdrant(Conformance):
    adapter = Adapter(
        QdrantInstrumentor,
        Kit,
        QDRANT,
        hooked=[
            (owner, name)
            for owner in (QdrantClient, AsyncQdrantClient)
            for name in ("query_points", "query_points_groups", "scroll", "retrieve")
        ],
        claims=frozenset({Claim.RETRIEVAL}),
    )


def payload(start: Start, given: dict[str, Any], decision: str = "redact") -> Any:
    """What a customer has of a point with this payload."""
    spans = start(decision)
    client = QdrantClient(":memory:")
    client.create_collection("one", vectors_config={})
    client.upsert("one", [models.PointStruct(id=1, vector={}, payload=given)])
    with ragtrace.request("customer"):
        found, _ = client.scroll("one")
    levels = [flow["level"] for span in of(spans, "retrieval") for flow in flows(span)]
    return (found[0].payload if found else None), levels


def test_of_a_payload_without_a_known_text_every_string_is_the_strictest(start: Start) -> None:
    """Nobody can tell which of two strings is the document, whatever the label says."""
    given = {"remark": SECRET, "colour": "red", "level": "public", "id": "x"}
    found, levels = payload(start, given)
    assert not leaks(repr(found)) and found["id"] == "x"
    assert set(levels) == {"staff_only"}


def test_a_setting_names_the_text(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the setting names is the text, and then a label counts."""
    monkeypatch.setenv("RAGTRACE_TEXT_FIELDS", "headline, remark")
    found, levels = payload(start, {"remark": PUBLIC, "colour": "red", "level": "public"})
    assert found == {"remark": PUBLIC, "colour": "red", "level": "public"}
    assert levels == ["public"]


def test_a_node_of_llama_indexs_is_read_and_stays_one(start: Start) -> None:
    """The text inside of what LlamaIndex files as JSON is judged, and the JSON stays JSON."""
    import json

    node = {"text": SECRET, "metadata": {"level": "staff_only"}, "class_name": "TextNode"}
    found, levels = payload(start, {"_node_content": json.dumps(node), "_node_type": "TextNode"})
    assert levels == ["staff_only"]
    assert json.loads(found["_node_content"]) == {**node, "text": "[redacted]"}


def test_two_labels_that_differ_are_the_strictest(start: Start) -> None:
    """Where a payload and its metadata say different things of a text, neither is believed."""
    given = {"text": SECRET, "level": "public", "metadata": {"level": "staff_only"}}
    found, _ = payload(start, given, "drop")
    assert not leaks(repr(found))


def test_a_search_by_parts_of_payloads_is_one(start: Start) -> None:
    """Labels are fetched beside the parts that were asked for, and told of as one search."""
    spans = start("drop")
    with ragtrace.request("customer"):
        filed().query_points(**WHERE, query=[1.0, 0.0], with_payload=["text", "page_content"])
    (span,) = of(spans, "retrieval")
    assert [flow["level"] for flow in flows(span)] == ["staff_only", "public"]
    assert (span.attributes or {})["gen_ai.data_source.id"] == "qdrant/notes"
