"""Tracers: ragtrace and its peers, each switched on as its own documentation says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

__all__ = ["ARMED", "BASE", "OURS", "TEXTS", "TRACERS", "Started", "Tracer", "missing_tracers"]

BASE: Final = "none"
OURS: Final = "ragtrace"
TEXTS: Final = "ragtrace with texts"
ARMED: Final = "ragtrace, guard armed"

_RULES: Final = """
version: 1
levels: [public, internal, secret]
audiences:
  customer: {clearance: public}
  adviser: {clearance: internal}
rules:
  - {id: secrets, when: {label: secret}, decide: drop}
  - {id: procedures, when: {label: internal, audience: customer}, decide: context_only}
otherwise: block
"""


class Nowhere(SpanExporter):
    """Takes spans and does nothing; what is left is the cost of making them."""

    def export(self, spans: Any) -> SpanExportResult:
        """Nothing."""
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing."""


@dataclass(slots=True)
class Started:
    """A tracer that runs.

    Attributes:
        flush: Sends what is waiting, before it returns.
        config: What LangChain's calls are to be given.
        spans: Spans that have ended.
    """

    flush: Callable[[], object] = lambda: None
    config: Any = None
    spans: int = 0


@dataclass(frozen=True, slots=True)
class Tracer:
    """A way of tracing the application.

    Attributes:
        needs: Module that has to be installed, by framework; none for a framework it does not know.
        start: Switches it on: given the framework and where to send, ``None`` for nowhere.
    """

    name: str
    needs: dict[str, str]
    start: Callable[[str, str | None, Started], None]


def missing_tracers(framework: str) -> list[str]:
    """Peers that know ``framework`` and are not installed."""
    return [
        one.name
        for one in TRACERS
        if framework in one.needs and not _is_there(one.needs[framework])
    ]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _none(framework: str, url: str | None, started: Started) -> None:
    """The application alone."""


def _ours(texts: bool = False, audience: str = "adviser") -> Any:
    def start(framework: str, url: str | None, started: Started) -> None:
        import ragtrace

        provider = _provider(Nowhere(), started) if url is None else None
        if url is not None:
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
        policy = Path(os.environ["RAGTRACE_SPOOL"]).with_name("policy.yaml")
        policy.write_text(_RULES)
        ragtrace.init(str(policy), audience=audience, content=texts, tracer_provider=provider)
        if provider is not None:
            started.flush = provider.force_flush
            return
        own: Any = trace.get_tracer_provider()
        own.add_span_processor(_Counter(started))
        from ragtrace.capture import flush

        started.flush = flush

    return start


def _instrumentor(package: str, name: str) -> Any:
    def start(framework: str, url: str | None, started: Started) -> None:
        instrumentor = getattr(import_module(package.format(framework)), name)
        provider = _provider(_exporter(url), started)
        instrumentor().instrument(tracer_provider=provider)
        started.flush = provider.force_flush

    return start


def _openinference(framework: str, url: str | None, started: Started) -> None:
    name = {"langchain": "langchain", "llamaindex": "llama_index"}[framework]
    titles = {"langchain": "LangChainInstrumentor", "llamaindex": "LlamaIndexInstrumentor"}
    start = _instrumentor(f"openinference.instrumentation.{name}", titles[framework])
    start(framework, url, started)


def _openllmetry(framework: str, url: str | None, started: Started) -> None:
    titles = {"langchain": "LangchainInstrumentor", "llamaindex": "LlamaIndexInstrumentor"}
    start = _instrumentor(f"opentelemetry.instrumentation.{framework}", titles[framework])
    start(framework, url, started)


def _langfuse(framework: str, url: str | None, started: Started) -> None:
    langfuse = import_module("langfuse")
    provider = TracerProvider()
    provider.add_span_processor(_Counter(started))
    langfuse.Langfuse(
        public_key="pk-lf-bench",
        secret_key="sk-lf-bench",
        base_url=url or "http://127.0.0.1:9",
        tracer_provider=provider,
        span_exporter=None if url else Nowhere(),
    )
    handler = import_module("langfuse.langchain").CallbackHandler(public_key="pk-lf-bench")
    started.config = {"callbacks": [handler]}
    started.flush = provider.force_flush


class _Counter(SpanProcessor):
    """Counts spans; costs all tracers the same."""

    def __init__(self, started: Started) -> None:
        self._started = started

    def on_end(self, span: ReadableSpan) -> None:
        self._started.spans += 1


def _provider(exporter: SpanExporter, started: Started) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(_Counter(started))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _exporter(url: str | None) -> SpanExporter:
    if url is None:
        return Nowhere()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{url}/v1/traces")


_ALONE: Final = {"langchain": "langchain_core", "llamaindex": "llama_index.core"}
_OWN: Final = {"langchain": "ragtrace_langchain", "llamaindex": "ragtrace_llamaindex"}

TRACERS: Final = (
    Tracer(BASE, _ALONE, _none),
    Tracer(OURS, _OWN, _ours()),
    Tracer(TEXTS, _OWN, _ours(texts=True)),
    Tracer(ARMED, _OWN, _ours(audience="customer")),
    Tracer(
        "OpenInference",
        {
            "langchain": "openinference.instrumentation.langchain",
            "llamaindex": "openinference.instrumentation.llama_index",
        },
        _openinference,
    ),
    Tracer(
        "OpenLLMetry",
        {
            "langchain": "opentelemetry.instrumentation.langchain",
            "llamaindex": "opentelemetry.instrumentation.llamaindex",
        },
        _openllmetry,
    ),
    Tracer("Langfuse", {"langchain": "langfuse.langchain"}, _langfuse),
)
