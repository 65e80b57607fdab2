"""Attach: flows and decisions for spans that are there, whoever wrote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store._inserts import SPAN_COLUMNS
from ragtrace.store._queries import ORPHANS
from ragtrace.store._schema import migrate

__all__ = ["attach", "refuse_unattached", "repair"]

Told = Callable[[int, int], None]
"""Told how many days are done, and of how many."""

VERSION: Final = """Version UInt64 MATERIALIZED if(
    ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.request.id'),
    0xFFFFFFFFFFFFFFFF,
    least(toUInt64OrZero(SpanAttributes['ragtrace.observed']), 0xFFFFFFFF)
)"""
"""The column of ours that a Collector's table lacks; computed, so the Collector need not know."""


def attach(client: Any, fit: Callable[[str], str], told: Told) -> int:
    """Add what is ours to a database that a Collector fills, and derive flows of what is there.

    Returns:
        How many days of spans there were.

    Raises:
        StoreError: It has no ``otel_traces``, or one of another shape; nothing was changed.
    """
    there = _columns(client, "otel_traces")
    missing = [name for name in SPAN_COLUMNS if name not in there]
    if missing:
        raise StoreError(
            "attach: expected the table otel_traces of the Collector's ClickHouse exporter, "
            f"found none with the column {missing[0]}"
        )
    client.command(fit(f"ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS {VERSION}"))
    migrate(client, fit=fit)
    days = [row[0] for row in client.query(_DAYS).result_rows]
    for place, day in enumerate(days):
        told(place, len(days))
        _derive(client, "toDate(Timestamp) = {day:Date}", {"day": day})
    told(len(days), len(days))
    return len(days)


def repair(client: Any) -> None:
    """Derive what the last inserts lack: a crash may come between a span and its flows."""
    spans = [row[0] for row in client.query(ORPHANS).result_rows]
    if spans:
        _derive(client, "has({spans:Array(String)}, {span})", {"spans": spans})


def refuse_unattached(client: Any) -> None:
    """Leave a Collector's table alone until somebody says that it is to be attached.

    Raises:
        StoreError: It is there, and not attached.
    """
    there = _columns(client, "otel_traces")
    if there and "Version" not in there:
        raise StoreError(
            "store: this database has an otel_traces of somebody else's: "
            "`ragtrace store attach URL` adds to it what is ours"
        )


def _derive(client: Any, condition: str, parameters: dict[str, Any]) -> None:
    """Run the views' own statements over spans; a row that is there already stays one row."""
    for table, span in (("flows", "SpanId"), ("steps", "Told[2]"), ("decisions", "SpanId")):
        columns = ", ".join(_columns(client, f"{table}_mv"))
        view = {"view": f"{table}_mv"}
        select = client.query(_SELECT, parameters=view).result_rows[0][0]
        client.command(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM ({select}) "
            f"WHERE {condition.replace('{span}', span)}",
            parameters=parameters,
            settings={"max_partitions_per_insert_block": 0},
        )


def _columns(client: Any, table: str) -> list[str]:
    rows = client.query(_COLUMNS, parameters={"table": table}).result_rows
    return [row[0] for row in rows]


_COLUMNS: Final = """
SELECT name FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} ORDER BY position
"""
_SELECT: Final = """
SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = {view:String}
"""
_DAYS: Final = "SELECT DISTINCT toDate(Timestamp) AS day FROM otel_traces ORDER BY day"
