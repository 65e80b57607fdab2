"""Stage: an integration that is wrapped under a decision, its model server, and its spans."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path as Folder
from typing import Any

from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ragtrace.capture import init, request, shutdown
from ragtrace.errors import PolicyBlocked
from ragtrace.testing._recorder import Recorder
from ragtrace.testing.conformance._adapter import Adapter, Kit, Path
from ragtrace.testing.conformance._secret import question, write_policy
from ragtrace.testing.conformance._wire import Wire

__all__ = ["Stage", "stage"]


class Stage:
    """What one check plays on.

    Attributes:
        wire: What models are asked over it stays there.
        recorder: The spans that have ended.
        policy: Path of the policy file it was started under.
    """

    def __init__(self, adapter: Adapter, folder: Folder, wire: Wire) -> None:
        self.adapter = adapter
        self.wire = wire
        self.recorder = Recorder(InMemorySpanExporter())
        self.policy = ""
        self._folder = folder

    def start(
        self,
        decision: str,
        *,
        hooks: bool = True,
        limits: SpanLimits | None = None,
        besides: SpanProcessor | None = None,
        **settings: Any,
    ) -> None:
        """Start ragtrace under a decision about the secret.

        Args:
            decision: One of ``DECISIONS``.
            hooks: Whether the framework is wrapped.
            limits: The tracer provider's; its own where none are given.
            besides: Is told of spans before they are kept.
            **settings: As for ``ragtrace.init``.
        """
        spans = InMemorySpanExporter()
        provider = TracerProvider(span_limits=limits or SpanLimits())
        if besides is not None:
            provider.add_span_processor(besides)
        provider.add_span_processor(SimpleSpanProcessor(spans))
        self.recorder = Recorder(spans)
        action, _, on_block = decision.partition("-")
        self.policy = write_policy(self._folder, action, on_block or "raise")
        init(self.policy, tracer_provider=provider, instrument=False, **settings)
        if hooks:
            self.adapter.instrumentor().instrument()

    def stop(self) -> None:
        """Take the hooks away and stop."""
        instrumentor = self.adapter.instrumentor()
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        shutdown()

    @contextmanager
    def kit(self) -> Iterator[Kit]:
        """A fresh kit, closed afterwards."""
        made = self.adapter.kit(self.wire)
        try:
            yield made
        finally:
            made.close()

    def take(self, path: Path, audience: str) -> str:
        """All that one caller receives on ``path``, callbacks and verdicts included."""
        with self.kit() as kit:
            try:
                got = told(lambda: self._run(path, kit, audience))
            except Exception as error:
                if path.verdict:
                    raise
                got = error
            return f"{got!r}\n{kit.heard}"

    def _run(self, path: Path, kit: Kit, audience: str) -> Any:
        def run() -> Any:
            got = path.run(kit, question(audience))
            return asyncio.run(got) if inspect.iscoroutine(got) else got

        if not path.opens:
            return run()
        with request(audience):
            return run()


def told(ask: Any) -> Any:
    """What a caller gets, a refusal by an exception among it."""
    try:
        return ask()
    except PolicyBlocked as verdict:
        return f"PolicyBlocked {verdict}"


@contextmanager
def stage(adapter: Adapter, folder: Folder) -> Iterator[Stage]:
    """A stage; ragtrace is stopped afterwards, whatever the check has done.

    Args:
        adapter: The integration.
        folder: Where policy files may be written.
    """
    wire = _wire()
    wire.clear()
    made = Stage(adapter, folder, wire)
    try:
        yield made
    finally:
        made.stop()


@cache
def _wire() -> Wire:
    """One for the process: a server takes longer to start than a check to run."""
    return Wire()
