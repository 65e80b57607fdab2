"""One run of the application under one tracer: ``python tracers.py NAME``.

Session, user and audience are set the way each tracer's own manual says. The spans go to the OTLP
endpoint in the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import frameworks
from bank import AUDIENCE, SESSION, TENANT, USER

__all__ = ["RUNS"]


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    return provider


def _openinference(instrumentor: Any, ask: Callable[[], None]) -> None:
    from openinference.instrumentation import using_attributes

    instrumentor.instrument(tracer_provider=_provider())
    metadata = {"audience": AUDIENCE, "tenant": TENANT}
    with using_attributes(session_id=SESSION, user_id=USER, metadata=metadata):
        ask()


def openinference_langchain() -> None:
    """OpenInference's callbacks in LangChain."""
    from openinference.instrumentation.langchain import LangChainInstrumentor

    _openinference(LangChainInstrumentor(), frameworks.langchain())


def openinference_llama_index() -> None:
    """OpenInference's event handlers in LlamaIndex."""
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    _openinference(LlamaIndexInstrumentor(), frameworks.llama_index())


def openllmetry_langchain() -> None:
    """OpenLLMetry's callbacks in LangChain, and what it wraps around Chroma's client."""
    from opentelemetry.instrumentation.chromadb import ChromaInstrumentor
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    metadata = {"session_id": SESSION, "user_id": USER, "tenant": TENANT, "audience": AUDIENCE}
    ask = frameworks.langchain({"metadata": metadata}, chroma=True)
    provider = _provider()
    ChromaInstrumentor().instrument(tracer_provider=provider)
    LangchainInstrumentor().instrument(tracer_provider=provider)
    ask()


def langfuse_langchain() -> None:
    """Langfuse's callback handler, with what it propagates to every observation."""
    from langfuse import Langfuse, propagate_attributes
    from langfuse.langchain import CallbackHandler

    base = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    client = Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", base_url=base)
    metadata = {"audience": AUDIENCE, "tenant": TENANT}
    with propagate_attributes(session_id=SESSION, user_id=USER, metadata=metadata):
        frameworks.langchain({"callbacks": [CallbackHandler()]})()
    client.flush()


def mlflow_langchain() -> None:
    """MLflow's autologging of LangChain, exported over OTLP."""
    import mlflow

    mlflow.langchain.autolog()
    metadata = {"session_id": SESSION, "user_id": USER, "tenant": TENANT, "audience": AUDIENCE}
    with mlflow.tracing.context(session_id=SESSION, user=USER):  # neither leaves over OTLP
        frameworks.langchain({"metadata": metadata})()
    mlflow.flush_trace_async_logging()


def genai_langchain() -> None:
    """OpenTelemetry's own instrumentation of LangChain, with everything it captures."""
    from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=_provider())
    metadata = {"session_id": SESSION, "user_id": USER, "tenant": TENANT, "audience": AUDIENCE}
    frameworks.langchain({"metadata": metadata})()


RUNS = {
    run.__name__.replace("_", "-"): run
    for run in (
        openinference_langchain,
        openinference_llama_index,
        openllmetry_langchain,
        langfuse_langchain,
        mlflow_langchain,
        genai_langchain,
    )
}

if __name__ == "__main__":
    RUNS[sys.argv[1]]()
