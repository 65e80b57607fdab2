"""Spans: writing flows within whatever limits the application's provider has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.trace import Span, set_span_in_context

from ragtrace.capture._runtime import Runtime
from ragtrace.model import Flow
from ragtrace.wire import AttributeValue, Texts, encode_flows, names, openinference

__all__ = ["set_flows"]

_CONTINUED: Final = "{name} (continued)"

_ONCE: Final = ("gen_ai.", "ragtrace.completion.", names.FLOWS)
"""What a continuation does not repeat, so that nothing is counted twice."""


def set_flows(
    runtime: Runtime, span: Span, flows: Sequence[Flow], texts: Texts | None = None
) -> None:
    """Put ``flows`` on ``span``, whole; they go last, because a full span forgets its oldest.

    What does not fit the span's limits goes on as many continuations of it as it takes; ``texts``
    are drawn as far as there is room.
    """
    had: dict[str, AttributeValue] = dict(getattr(span, "attributes", None) or {})
    taken = _put(runtime, span, had, flows, texts)
    while taken < len(flows):
        more = runtime.tracer.start_span(
            _CONTINUED.format(name=getattr(span, "name", "flows")),
            context=set_span_in_context(span),
            attributes={key: had[key] for key in had if not key.startswith(_ONCE)},
        )
        taken += _put(runtime, more, had, flows[taken:])
        more.end()


def _put(
    runtime: Runtime,
    span: Span,
    had: Mapping[str, AttributeValue],
    flows: Sequence[Flow],
    texts: Texts | None = None,
) -> int:
    """Put as many of ``flows`` on ``span`` as it can hold, at least one; says how many."""
    longest = _limit(span, "max_span_attribute_length")
    room = _limit(span, "max_span_attributes")
    if room is not None:
        room = max(1, room - len(getattr(span, "attributes", None) or {}))
    count = len(flows)
    parts = encode_flows(flows, longest)
    while count > 1 and not _fit(parts, longest, room):
        count //= 2
        parts = encode_flows(flows[:count], longest)
    if runtime.config.openinference:
        said = list(openinference(had, flows[:count], texts).items())
        span.set_attributes(dict(said if room is None else said[: room - len(parts)]))
    span.set_attributes(parts)
    return count


def _fit(parts: Mapping[str, AttributeValue], longest: int | None, room: int | None) -> bool:
    if room is not None and len(parts) > room:
        return False
    return longest is None or all(len(str(part)) <= longest for part in parts.values())


def _limit(span: Span, name: str) -> int | None:
    """A limit of the provider's; the API does not say, the SDK's span does."""
    limits: Any = getattr(span, "_limits", None)
    limit = getattr(limits, name, None)
    return limit if isinstance(limit, int) else None
