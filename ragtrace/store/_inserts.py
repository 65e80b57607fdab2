"""Inserts: records as columns, the form in which the engine takes them fastest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ragtrace.store._reader import ContentLike, SpanLike
from ragtrace.store._vault import Vault

__all__ = ["SPAN_COLUMNS", "content_insert", "span_insert"]

_MAP: Final = "Map(LowCardinality(String), String)"
_SPAN_TYPES: Final = {
    "Timestamp": "DateTime64(9, 'UTC')",
    "TraceId": "String",
    "SpanId": "String",
    "ParentSpanId": "String",
    "SpanName": "LowCardinality(String)",
    "SpanKind": "LowCardinality(String)",
    "ServiceName": "LowCardinality(String)",
    "ResourceAttributes": _MAP,
    "ScopeName": "String",
    "SpanAttributes": _MAP,
    "Duration": "UInt64",
    "StatusCode": "LowCardinality(String)",
    "StatusMessage": "String",
}
SPAN_COLUMNS: Final = tuple(_SPAN_TYPES)
"""What a table of spans must have."""
_SPAN_SETTINGS: Final = {
    "optimize_on_insert": 0,
    "materialize_skip_indexes_on_insert": 0,
    "parallel_view_processing": 1,
}
"""A repeated row is found by every question and by each merge, and need not be found here; a merge
makes the indexes, for parts of few rows are read as fast without; flows and decisions are made at
the same time."""
_CONTENT_TYPES: Final = {
    "Digest": "String",
    "Kind": "LowCardinality(String)",
    "Level": "LowCardinality(String)",
    "Length": "UInt32",
    "Text": "String",
    "Kept": "UInt8",
    "Words": "String",
    "Key": "String",
}


def span_insert(spans: Sequence[SpanLike]) -> dict[str, Any]:
    """Arguments of the client's ``insert`` for spans."""
    return {"settings": _SPAN_SETTINGS} | _insert("otel_traces", _SPAN_TYPES, [
        [span.start_ns for span in spans],
        [span.trace_id for span in spans],
        [span.span_id for span in spans],
        [span.parent_span_id for span in spans],
        [span.name for span in spans],
        [span.kind for span in spans],
        [span.service for span in spans],
        [span.resource for span in spans],
        [span.scope for span in spans],
        [span.attributes for span in spans],
        [max(0, span.end_ns - span.start_ns) for span in spans],
        [span.status for span in spans],
        [span.status_message for span in spans],
    ])  # fmt: skip


def content_insert(contents: Sequence[ContentLike], vault: Vault | None) -> dict[str, Any]:
    """Arguments of the client's ``insert`` for texts, sealed here; none leaves without a vault.

    Raises:
        StoreError: The keyring cannot be read or written.
    """
    if vault is None:
        sealed = [("", b"", "")] * len(contents)
    else:
        keys = zip(contents, vault.keys(contents), strict=True)
        sealed = [(key.id, vault.seal(c, key), vault.words.line(c.kind, c.text)) for c, key in keys]
    return _insert("contents", _CONTENT_TYPES, [
        [content.digest for content in contents],
        [content.kind for content in contents],
        [content.level for content in contents],
        [len(content.text) for content in contents],
        [text for _, text, _ in sealed],
        [int(bool(text)) for _, text, _ in sealed],
        [words for _, _, words in sealed],
        [key for key, _, _ in sealed],
    ])  # fmt: skip


def _insert(table: str, types: dict[str, str], columns: list[list[Any]]) -> dict[str, Any]:
    return {
        "table": table,
        "data": columns,
        "column_names": list(types),
        "column_type_names": list(types.values()),
        "column_oriented": True,
    }
