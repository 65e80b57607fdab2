"""What attaching to a database that a Collector fills promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.store import OWNER, Access, Sought, Store
from ragtrace.store._engine import Address, Engine
from ragtrace.store._inserts import span_insert
from ragtrace.wire import SpanRecord
from tests.engine import flow, fresh_url, span

EXPORTER = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
"""
DAY_NS = 86_400 * 10**9
DECIDED: dict[str, Any] = {"ragtrace__decision__action": "drop"}


def _spans(first: int, last: int) -> list[SpanRecord]:
    made = [span(n, flow(0), flow(1), **DECIDED) for n in range(first, last)]
    return [replace(one, start_ns=one.start_ns + n * DAY_NS) for n, one in enumerate(made)]


def _exported(url: str, *batches: list[SpanRecord]) -> None:
    """What a Collector does: its own table, its own inserts."""
    engine = Engine(Address.parse(url))
    with engine.writing("test") as client:
        if not client.query("EXISTS TABLE otel_traces").result_rows[0][0]:
            client.command(EXPORTER)
        for batch in batches:
            client.insert(**span_insert(batch))
    engine.close()


def _quiet(*_: int) -> None:
    """Nobody is told."""


def test_what_a_collector_wrote_is_answered_before_and_after() -> None:
    """Spans that were there, and spans that come; each once, though some were sent twice."""
    url, plain = fresh_url(), fresh_url()
    spans = _spans(1, 7)
    _exported(url, spans[:4], spans[2:4])
    told: list[tuple[int, int]] = []
    assert Store.attach(url, lambda done, total: told.append((done, total))) == 4
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    _exported(url, spans[3:], spans[5:])
    with Store.open(url) as attached, Store.open(plain) as ours:
        ours.write(spans)
        for question in ("flows", "edges", "hours", "decisions", "traces"):
            answer = getattr(attached, question)(access=OWNER)
            assert answer == getattr(ours, question)(access=OWNER), question
        assert attached.trace(spans[3].trace_id, access=OWNER) == ours.trace(
            spans[3].trace_id, access=OWNER
        )
        sought = Sought(names=("doc-1",))
        assert attached.reach(sought, access=OWNER) == ours.reach(sought, access=OWNER)
        counts = [replace(one.stats(access=OWNER), bytes_on_disk=0) for one in (attached, ours)]
        assert counts[0] == counts[1]


def test_attaching_again_changes_nothing() -> None:
    """Though what is there is derived once more."""
    url = fresh_url()
    _exported(url, _spans(1, 4))
    Store.attach(url, _quiet)
    with Store.open(url) as attached:
        before = attached.flows(access=OWNER)
    Store.attach(url, _quiet)
    with Store.open(url) as attached:
        assert attached.flows(access=OWNER) == before
        assert attached.stats(access=OWNER).flows == len(before) == 6


def test_another_table_is_left_alone() -> None:
    """None, or one without the columns, is refused, and nothing is added to it."""
    url = fresh_url()
    with pytest.raises(StoreError, match="expected the table otel_traces"):
        Store.attach(url, _quiet)
    engine = Engine(Address.parse(url))
    with engine.writing("test") as client:
        client.command(EXPORTER.replace("SpanAttributes Map", "Attrs Map").split("    INDEX")[0]
            .rstrip().rstrip(",") + ") ENGINE = MergeTree ORDER BY TraceId")  # fmt: skip
    with pytest.raises(StoreError, match="SpanAttributes"):
        Store.attach(url, _quiet)
    with engine.writing("test") as client:
        assert client.query("SHOW TABLES").result_rows == [("otel_traces",)]
    engine.close()


def test_a_collectors_table_is_not_taken_over_unasked() -> None:
    """Opening it says what to do instead."""
    url = fresh_url()
    _exported(url, _spans(1, 2))
    with pytest.raises(StoreError, match="store attach"):
        Store.open(url)


def test_a_version_is_computed_as_in_a_table_of_ours() -> None:
    """Else another tracer's span could be newer than ours in the one and not in the other."""
    url, plain = fresh_url(), fresh_url()
    _exported(url, _spans(1, 2))
    Store.attach(url, _quiet)
    asked = (
        "SELECT default_expression FROM system.columns WHERE database = currentDatabase() "
        "AND table = 'otel_traces' AND name = 'Version'"
    )
    found = []
    with Store.open(url) as attached, Store.open(plain) as ours:
        for store in (attached, ours):
            with store._engine.reading("test") as client:
                found.append(client.query(asked).result_rows)
    assert found[0] == found[1] != []


def test_a_tenants_reader_is_answered_over_a_collectors_table() -> None:
    """Though that has no versions of rows: of a row in it each counts by itself."""
    url = fresh_url()
    other = replace(span(9), attributes={**span(9).attributes, "ragtrace.tenant": "globex"})
    _exported(url, [*_spans(1, 3), other])
    Store.attach(url, lambda *_: None)
    acme = Access("acme", frozenset({"read"}), None, frozenset({"acme"}))
    with Store.open(url) as opened:
        assert len(opened.traces(access=acme)) == 2
        assert opened.stats(access=acme).spans == 2
        assert len(opened.trace(f"{1:032x}", access=acme).flows) == 2
        assert len(opened.flows(access=acme)) == 4
