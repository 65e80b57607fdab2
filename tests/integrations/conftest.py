"""What the integration tests start from: a witness on the wire, a kit, and spans in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ragtrace
from ragtrace.testing.conformance import Wire, write_policy

if TYPE_CHECKING:
    from tests.integrations.kit import Kit

Start = Callable[..., InMemorySpanExporter]

RARER: Final = frozenset({"redact", "block-refuse"})
"""Decisions whose way through a framework is that of another one (``drop``, ``block``) but for the
words that are put in: each path is tried with the others every time, with these in CI."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The matrix of paths and decisions is the half of all tests."""
    for item in items:
        tried = getattr(item, "callspec", None)
        if tried is None or "path" not in tried.params:
            continue
        # Without a decision, a path is tried for whether it can bring the secret at all.
        if tried.params.get("decision", "none") in RARER | {"none"}:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def _witness() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def wire(_witness: Wire) -> Wire:
    """The model server, with nothing kept of earlier tests."""
    _witness.clear()
    return _witness


@pytest.fixture
def kit(wire: Wire) -> Iterator[Kit]:
    """Retriever, models and chain."""
    from tests.integrations.kit import Kit  # LangChain is not installed wherever others are tried

    made = Kit(wire)
    yield made
    made.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ragtrace under a decision about the secret; gives the spans that will be ended."""

    def started(
        decide: str,
        on_block: str = "raise",
        limits: SpanLimits | None = None,
        **settings: Any,
    ) -> InMemorySpanExporter:
        spans = InMemorySpanExporter()
        provider = TracerProvider(span_limits=limits or SpanLimits())
        provider.add_span_processor(SimpleSpanProcessor(spans))
        action, _, refuse = decide.partition("-")
        policy = write_policy(tmp_path, action, refuse or on_block)
        ragtrace.init(policy, tracer_provider=provider, **settings)
        return spans

    yield started
    ragtrace.shutdown()
