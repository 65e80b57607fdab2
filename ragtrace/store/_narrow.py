"""Narrow: a filter as conditions on the tables it is asked of; its values are parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ragtrace.store._reader import FlowFilter

__all__ = ["of_decisions", "of_flows", "of_spans"]

_CONDITIONS: Final = {
    "since": "Timestamp >= fromUnixTimestamp64Nano({since:Int64})",
    "until": "Timestamp < fromUnixTimestamp64Nano({until:Int64})",
    "audience": "Audience = {audience:String}",
    "source": "Source = {source:String}",
    "document": "Document = {document:String}",
    "level": "Level = {level:String}",
    "action": "Action = {action:String}",
    "service": "ServiceName = {service:String}",
    "stage": "Stage = {stage:String}",
    "session": "Session = {session:String}",
    "user": "User = {user:String}",
    "rule": "Rule = {rule:String}",
    "tenant": "Tenant = {tenant:String}",
}
_PERIOD: Final = frozenset({"since", "until"})
_OF_FLOWS_ONLY: Final = frozenset({"source", "document", "level"})
_OF_SPANS: Final = _PERIOD | {"service"}


def of_flows(where: FlowFilter) -> str:
    """The condition on flows."""
    return _all(where.as_params())


def of_decisions(where: FlowFilter) -> str:
    """The condition on decisions; one on documents is about the flows of the same step."""
    return _with_flows(where, _OF_FLOWS_ONLY, "SpanId")


def of_spans(where: FlowFilter) -> str:
    """The condition on spans: of the service and the period, in a trace with such a flow."""
    return _with_flows(where, frozenset(_CONDITIONS) - _OF_SPANS, "TraceId")


def _with_flows(where: FlowFilter, of_flows_only: frozenset[str], key: str) -> str:
    given = where.as_params()
    own = _all(name for name in given if name not in of_flows_only)
    if of_flows_only.isdisjoint(given):
        return own
    told = _all(name for name in given if name in of_flows_only | _PERIOD)
    flows = f"SELECT {key} FROM flows FINAL WHERE {{may_flows}} AND {told}"
    return f"{own} AND {key} IN ({flows})"


def _all(names: Iterable[str]) -> str:
    return " AND ".join(_CONDITIONS[name] for name in names) or "1"
