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
    runtime: Runtime,
    span: Span,
    flows: Sequence[Flow],
    texts: Texts | None = None,
    beside: Mapping[str, AttributeValue] | None = None,
) -> None:
    """Put ``flows`` on ``span``, whole; they go last, because a full span forgets its oldest.

    What does not fit the span's limits goes on as many continuations of it as it takes; ``texts``
    are drawn as far as there is room; ``beside`` goes before them, where most spans are written
    in one step.
    """
    if not span.is_recording():
        return
    beside = beside or {}
    if not runtime.config.openinference and _has_room(span, len(beside) + 1):
        span.set_attributes({**beside, **encode_flows(flows)})
        return
    span.set_attributes(beside)
    taken, parts, room = _fitting(span, flows, 0)
    had: dict[str, AttributeValue] = {}
    if taken < len(flows) or runtime.config.openinference:
        had.update(getattr(span, "attributes", None) or {})
    _put(runtime, span, had, flows[:taken], parts, room, texts)
    while taken < len(flows):
        more = runtime.tracer.start_span(
            _CONTINUED.format(name=getattr(span, "name", "flows")),
            context=set_span_in_context(span),
            attributes={key: had[key] for key in had if not key.startswith(_ONCE)},
        )
        some, parts, room = _fitting(more, flows[taken:], taken)
        _put(runtime, more, had, flows[taken : taken + some], parts, room)
        taken += some
        more.end()


def _has_room(span: Span, more: int) -> bool:
    """Whether the span takes so many attributes more, of any length."""
    most = _limit(span, "max_span_attributes")
    return _limit(span, "max_span_attribute_length") is None and (
        most is None or len(getattr(span, "attributes", None) or {}) + more <= most
    )


def _fitting(
    span: Span, flows: Sequence[Flow], first: int
) -> tuple[int, Mapping[str, AttributeValue], int | None]:
    """How many of ``flows`` the span can hold, at least one; these, and its room for attributes."""
    longest = _limit(span, "max_span_attribute_length")
    room = _limit(span, "max_span_attributes")
    if room is not None:
        room = max(1, room - len(getattr(span, "attributes", None) or {}))
    count = len(flows)
    parts = encode_flows(flows, longest, first)
    while count > 1 and not _fit(parts, longest, room):
        count //= 2
        parts = encode_flows(flows[:count], longest, first)
    return count, parts, room


def _put(
    runtime: Runtime,
    span: Span,
    had: Mapping[str, AttributeValue],
    flows: Sequence[Flow],
    parts: Mapping[str, AttributeValue],
    room: int | None,
    texts: Texts | None = None,
) -> None:
    """Put ``flows`` on the span, as ``parts`` has them, and last."""
    if runtime.config.openinference:
        said = list(openinference(had, flows, texts).items())
        span.set_attributes(dict(said if room is None else said[: room - len(parts)]))
    span.set_attributes(parts)


def _fit(parts: Mapping[str, AttributeValue], longest: int | None, room: int | None) -> bool:
    if room is not None and len(parts) > room:
        return False
    return longest is None or all(len(str(part)) <= longest for part in parts.values())


def _limit(span: Span, name: str) -> int | None:
    """A limit of the provider's; the API does not say, the SDK's span does."""
    limits: Any = getattr(span, "_limits", None)
    limit = getattr(limits, name, None)
    return limit if isinstance(limit, int) else None
