"""Phoenix's exports: its REST API's two shapes and its dataframe, as OpenInference spans."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ragtrace.errors import WireError
from ragtrace.wire._exported import Exported, as_attribute
from ragtrace.wire._spans import SpanRecord

__all__ = ["is_phoenix", "phoenix_span"]

COLUMN: Final = "attributes."
"""In front of the attributes that are columns of a dataframe."""

_WHOLE: Final = re.compile(
    r"(?P<whole>(?:.*\.document\.)?metadata|llm\.prompt_template\.variables)\.(?P<key>.+)"
)
"""Attributes that OpenInference writes as one JSON object, and Phoenix takes apart."""
_STATUS: Final = {"OK": "Ok", "ERROR": "Error", "UNSET": "Unset", 1: "Ok", 2: "Error", 0: "Unset"}
_SCOPE: Final = "phoenix.export"


def is_phoenix(row: Mapping[str, Any]) -> bool:
    """Whether a row is a span in one of the shapes."""
    context = row.get("context")
    return (
        (isinstance(context, dict) and "trace_id" in context)
        or "context.trace_id" in row
        or ("trace_id" in row and "start_time_unix_nano" in row)
    )


def phoenix_span(row: Mapping[str, Any]) -> SpanRecord:
    """Read one span, with its attributes under OpenInference's own names.

    Raises:
        WireError: Ids or times are missing or not what they should be.
    """
    context = row.get("context")
    said = Exported({**row, **(context if isinstance(context, dict) else {})}, "Phoenix span")
    start = said.moment("start_time", "start_time_unix_nano")
    if start is None:
        raise WireError("Phoenix span: expected start_time")
    attributes = _together(dict(_attributes(row)))
    kind = said.text("span_kind")
    if kind and kind != "UNKNOWN":
        attributes.setdefault("openinference.span.kind", kind)
    status = said.get("status")
    code = status.get("code") if isinstance(status, dict) else said.get("status_code")
    message = status.get("message") if isinstance(status, dict) else said.get("status_message")
    return SpanRecord(
        trace_id=said.required(32, "trace_id", "context.trace_id"),
        span_id=said.required(16, "span_id", "context.span_id"),
        parent_span_id=said.identifier(16, "parent_id", "parent_span_id"),
        name=said.text("name"),
        kind="Internal",
        service=attributes.get("service.name", ""),
        scope=_SCOPE,
        start_ns=start,
        end_ns=max(said.moment("end_time", "end_time_unix_nano") or start, start),
        status=_STATUS.get(code, "Unset") if isinstance(code, str | int) else "Unset",
        status_message=message if isinstance(message, str) else "",
        attributes=attributes,
    )


def _attributes(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each attribute; values of lists of objects one by one, by index."""
    held = row.get("attributes")
    if isinstance(held, list):  # OTLP's pairs, with every kind of value named
        for pair in held:
            if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
                raise WireError("Phoenix span: attributes: expected pairs of key and value")
            yield from _flat(pair["key"], _value(pair.get("value")))
    elif isinstance(held, dict):
        for name, value in held.items():
            yield from _flat(name, value)
    for name, value in row.items():
        if name.startswith(COLUMN):
            yield from _flat(name.removeprefix(COLUMN), value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value is None or value != value:  # a dataframe has not-a-number where there is nothing
        return
    if _WHOLE.fullmatch(f"{name}.x"):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for place, one in enumerate(value):
            yield from _flat(f"{name}.{place}", one)
    else:
        yield name, value


def _together(flat: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as text; what belongs into one JSON object is put back there."""
    objects: dict[str, dict[str, Any]] = {}
    attributes: dict[str, str] = {}
    for name, value in flat.items():
        part = _WHOLE.fullmatch(name)
        if part is not None:
            objects.setdefault(part["whole"], {})[part["key"]] = value
        else:
            attributes[name] = as_attribute(value)
    return attributes | {name: as_attribute(held) for name, held in objects.items()}


def _value(value: Any) -> Any:
    """The one of an OTLP value's kinds that is set."""
    if not isinstance(value, dict):
        raise WireError("Phoenix span: attributes: expected a value")
    for kind, held in value.items():
        if held is None:
            continue
        if kind in ("array_value", "arrayValue"):
            return [_value(one) for one in held.get("values") or ()]
        if kind in ("kvlist_value", "kvlistValue"):
            return {one["key"]: _value(one["value"]) for one in held.get("values") or ()}
        return held
    return None
