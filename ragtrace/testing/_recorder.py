"""Recorder: the spans of a test, as what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ragtrace.capture import init, shutdown
from ragtrace.store import SpanRow
from ragtrace.testing._ids import CountingIds
from ragtrace.wire import names

__all__ = ["RecordedSpan", "Recorder", "recording"]


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """A finished span.

    Attributes:
        flows: The objects of ``ragtrace.flows``, put together from all its parts, with what is
            left out of them because it is usual.
    """

    name: str
    attributes: dict[str, Any]
    flows: list[dict[str, Any]]


class Recorder:
    """What ragtrace has recorded since ``recording`` began."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[RecordedSpan]:
        """Finished spans, in the order in which they ended."""
        return [_recorded(span) for span in self._exporter.get_finished_spans()]

    def of(self, operation: str) -> list[RecordedSpan]:
        """Those of one GenAI operation: ``retrieval``, ``chat`` or ``text_completion``."""
        return [s for s in self.spans if s.attributes.get(names.GEN_AI_OPERATION) == operation]

    @property
    def rows(self) -> list[SpanRow]:
        """Finished spans as a store has them."""
        return [_row(span) for span in self._exporter.get_finished_spans()]

    @property
    def written(self) -> str:
        """Everything the finished spans say, as JSON."""
        return "\n".join(span.to_json() for span in self._exporter.get_finished_spans())

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._exporter.clear()


@contextmanager
def recording(
    policy: str | None = None, *, limits: SpanLimits | None = None, **settings: Any
) -> Iterator[Recorder]:
    """Start ragtrace with spans kept in memory and ids that count; shut it down afterwards.

    Args:
        policy: Policy file.
        limits: The provider's limits, for tests of what happens under small ones.
        **settings: As for ``ragtrace.init``.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=CountingIds(), span_limits=limits or SpanLimits())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    init(policy, tracer_provider=provider, **settings)
    try:
        yield Recorder(exporter)
    finally:
        shutdown()
        provider.shutdown()


def _row(span: ReadableSpan) -> SpanRow:
    said = dict(span.attributes or {})
    context, parent = span.context, span.parent
    assert context is not None  # a span that has ended has one
    return SpanRow(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id="" if parent is None else f"{parent.span_id:016x}",
        name=span.name,
        kind=span.kind.name.title(),
        service="",
        scope=names.SCOPE,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        status=span.status.status_code.name.title(),
        status_message=span.status.description or "",
        attributes={
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in said.items()
        },
    )


def _recorded(span: ReadableSpan) -> RecordedSpan:
    attributes = dict(span.attributes or {})
    parts = sorted(
        (int(name.rpartition(".")[2]) if name != names.FLOWS else 0, str(value))
        for name, value in attributes.items()
        if name == names.FLOWS or name.startswith(f"{names.FLOWS}.")
    )
    flows = [_whole(flow) for _, part in parts for flow in json.loads(part)]
    return RecordedSpan(span.name, attributes, flows)


def _whole(flow: dict[str, Any]) -> dict[str, Any]:
    whole = {"rank": flow["ord"], "score": None, "mode": "enforce", **flow}
    return whole | {"uri": flow["document"]} if flow.get("uri") == "" else whole
