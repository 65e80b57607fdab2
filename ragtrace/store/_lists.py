"""Lists: flows, decisions and traces, the newest first, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ragtrace.model import Action
from ragtrace.store import _narrow, _pages
from ragtrace.store._pages import Place
from ragtrace.store._reader import FlowFilter
from ragtrace.store._traces import TraceRow

__all__ = ["Ask", "newest", "newest_traces"]

Ask = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]
"""Runs a statement with its parameters, as one caller."""

MOST_MOMENTS: Final = 1_000
"""Moments of which the rows are read at once: a statement names each, in some 40 bytes."""

_KEYS: Final = {"flows": "SpanId, Ordinal", "decisions": "SpanId, 0"}
_STRICTNESS: Final = {str(action): action.strictness for action in Action}


def newest(
    ask: Ask,
    table: str,
    query: str,
    where: tuple[str, Mapping[str, Any]],
    after: Place | None,
    limit: int,
) -> list[tuple[Any, ...]]:
    """Give the newest ``limit`` rows of ``table`` that pass ``where``, behind ``after``."""
    condition, parameters = where
    if after is not None:
        condition = f"{condition} AND {_pages.BEFORE.replace('{key}', _KEYS[table])}"
        parameters = {**parameters, **after.as_params()}
    found: list[tuple[Any, ...]] = []
    moments = _pages.MOMENTS.replace("{table}", table)
    while len(found) < limit:
        asked = {**parameters, "limit": min(limit - len(found), MOST_MOMENTS)}
        ((some, oldest),) = ask(moments.replace("{where}", condition), asked)
        if some:
            left = {"limit": limit - len(found), "moments": some}
            found += ask(query.replace("{where}", condition), {**parameters, **left})
        if len(some) < asked["limit"]:
            break
        # There are more, or some of these held only rows that newer versions replaced.
        condition = f"{where[0]} AND Timestamp < fromUnixTimestamp64Nano({{place_ns:Int64}})"
        parameters = {**where[1], "place_ns": oldest}
    return found


def newest_traces(ask: Ask, where: FlowFilter, after: Place | None, limit: int) -> list[TraceRow]:
    """Give the traces with spans in the period and of the service, and with such flows."""
    parameters = where.as_params() | {"limit": limit}
    behind = "1"
    if after is not None:
        behind = (
            "start < {place_ns:Int64} OR start = {place_ns:Int64} AND TraceId > {place_id:String}"
        )
        parameters |= after.as_params()
    query = _pages.TRACES.replace("{where}", _narrow.of_spans(where)).replace("{behind}", behind)
    rows = ask(query, parameters)
    if not rows:
        return []
    flows = _told(ask, where, rows, "flows", "groupUniqArray(Level)")
    decisions = _told(ask, where, rows, "decisions", "emptyArrayString()")
    return [_trace(row, flows[row[0]], decisions[row[0]]) for row in rows]


def _told(
    ask: Ask, where: FlowFilter, rows: Sequence[tuple[Any, ...]], table: str, levels: str
) -> dict[str, tuple[Any, ...]]:
    """Audiences, actions, levels and number of what ``table`` tells of each trace."""
    period = FlowFilter(since=where.since, until=where.until)
    query = _pages.OF_TRACES.replace("{table}", table).replace("{levels}", levels)
    parameters = period.as_params() | {
        "traces": [row[0] for row in rows],
        "first": min(row[1] for row in rows),
        "last": max(row[2] for row in rows),
    }
    told: dict[str, tuple[Any, ...]] = defaultdict(lambda: ((), (), (), 0))
    answer = ask(query.replace("{where}", _narrow.of_flows(period)), parameters)
    told |= {trace: tuple(rest) for trace, *rest in answer}
    return told


def _trace(
    row: tuple[Any, ...], of_flows: tuple[Any, ...], of_decisions: tuple[Any, ...]
) -> TraceRow:
    trace_id, start_ns, end_ns, service, spans = row
    actions = {*of_flows[1], *of_decisions[1]} & _STRICTNESS.keys()
    return TraceRow(
        trace_id=trace_id,
        start_ns=start_ns,
        end_ns=end_ns,
        service=service,
        spans=spans,
        action=max(actions, key=_STRICTNESS.__getitem__, default=""),
        audiences=_named([*of_flows[0], *of_decisions[0]]),
        levels=_named(of_flows[2]),
        flows=of_flows[3],
    )


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names) - {""}))
