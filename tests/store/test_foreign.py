"""What the store keeps apart: ours and others', one trace and another, now and before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ragtrace.model import digest
from ragtrace.store import OWNER, Store, filed, shared, withdraw
from ragtrace.wire import ContentRecord, SpanRecord
from tests.engine import flow, span, store

pytest.importorskip("chdb")
__all__ = ["store"]


def adopted(number: int, *flows: dict[str, Any], version: int = 1, **change: Any) -> SpanRecord:
    """A span of another tracer as a server adopted it."""
    said = {"ragtrace__tracer": "openinference", "ragtrace__observed": str(version)}
    own = span(number, *flows, **(said | {"ragtrace__request__id": None} | change))
    return replace(own, scope="openinference")


def documents(store: Store) -> set[tuple[str, str]]:
    """Spans and documents of all flows."""
    return {(one.span_id, one.document) for one in store.flows(access=OWNER)}


def counted(store: Store) -> int:
    """How many flows the map, which is drawn from a table of its own, counts."""
    return sum(edge.flows for edge in store.edges(access=OWNER))


def test_a_flow_is_withdrawn_up_to_a_version(store: Store) -> None:
    """From the list and from the map; what was written meanwhile of a higher one stays."""
    store.write([adopted(n, flow(0), flow(1)) for n in (1, 2, 3)])
    stale = [(one, 1) for one in store.flows(access=OWNER) if one.document == "doc-1"]
    store.write([adopted(3, flow(0), flow(1), version=2)])
    withdraw(store, stale)
    first, second, third = (f"{n:016x}" for n in (1, 2, 3))
    assert documents(store) == {
        (first, "doc-0"), (second, "doc-0"), (third, "doc-0"), (third, "doc-1"),
    }  # fmt: skip
    assert counted(store) == 4


def test_flows_of_many_spans_are_withdrawn_in_one_statement_a_partition(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement writes a part anew; and inserts go on beside it."""
    store.write([adopted(n, flow(0), flow(1)) for n in range(1, 101)])
    stale = [(one, 1) for one in store.flows(access=OWNER)]
    said: list[str] = []
    aside = store._engine.aside

    @contextmanager
    def counting(what: str) -> Iterator[Any]:
        with aside(what) as client:

            class Counted:
                def command(self, query: str, **more: Any) -> None:
                    said.append(query)
                    client.command(query, **more)

            yield Counted()

    monkeypatch.setattr(store._engine, "aside", counting)
    monkeypatch.setattr(store._engine, "writing", None)
    withdraw(store, stale)
    assert len(said) == 2
    assert (documents(store), counted(store)) == (set(), 0)


def test_what_ragtrace_told_is_replaced_by_nobody(store: Store) -> None:
    """Not by a span of the same id, time and name that claims to be the newest there is."""
    own = span(1, flow(0), ragtrace__decision__action="block")
    forged = replace(
        own,
        scope="openinference",
        attributes={
            **own.attributes,
            "ragtrace.observed": "18446744073709551615",
            "ragtrace.flows": json.dumps([flow(0, document="another")]),
            "ragtrace.decision.action": "allow",
        },
    )
    early = replace(forged, start_ns=own.start_ns - 5)
    store.write([own])
    store.write([forged, early])
    for _ in range(2):
        trace = store.trace(own.trace_id, access=OWNER)
        assert [one.scope for one in trace.spans] == ["ragtrace"]
        assert [one.document for one in trace.flows] == ["doc-0"]
        at = own.start_ns
        found = [one.action for one in store.decisions(access=OWNER) if one.time_ns == at]
        assert found == ["block"]
        with store._engine.writing("test") as client:
            for table in ("otel_traces", "flows", "decisions"):
                client.command(f"OPTIMIZE TABLE {table} FINAL")


def test_a_span_id_that_another_trace_has_replaces_nothing(store: Store) -> None:
    """An id is chosen by whoever sends; a trace's rows are its own."""
    one = span(1, flow(0), ragtrace__decision__action="block")
    other = replace(
        one,
        trace_id=f"{7:032x}",
        attributes={**one.attributes, "ragtrace.decision.action": "allow"},
    )
    store.write([one, other])
    assert {row.trace_id for row in store.flows(access=OWNER)} == {one.trace_id, other.trace_id}
    assert {row.action for row in store.decisions(access=OWNER)} == {"block", "allow"}
    assert counted(store) == 2


def test_a_text_that_another_trace_tells_of_is_shared(store: Store) -> None:
    """With the level that it has there."""
    answer = digest("Yes")
    said = {"ragtrace__completion__digest": answer, "ragtrace__prompt__level": "public"}
    store.write([adopted(n, flow(0), **said) for n in (1, 2)])
    store.write([adopted(3, flow(0), ragtrace__prompt__level="internal")])
    assert shared(store, [answer], f"{1:032x}") == {(answer, "public")}
    store.write(
        [adopted(2, flow(0), version=2, **(said | {"ragtrace__prompt__level": "internal"}))]
    )
    assert shared(store, [answer], f"{1:032x}") == {(answer, "internal")}
    assert shared(store, [digest("completion 3")], f"{3:032x}") == set()


def test_a_prompt_is_not_replaced_under_its_digest(store: Store) -> None:
    """Whoever knows a digest cannot put another text in the place of the one it is of."""
    name = digest("what was asked")
    first, other = (ContentRecord(name, "prompt", "public", text) for text in ("one", "two"))
    store.write([], [first, other])
    store.write([], [other])
    store.write([], [first])
    with store._engine.writing("test") as client:
        client.command("OPTIMIZE TABLE contents FINAL")
    assert store.texts([name], access=OWNER) == {name: "one"}
    store.write([], [replace(other, level="internal")])
    assert filed(store, [name]) == {(name, "public"), (name, "internal")}
