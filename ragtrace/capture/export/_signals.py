"""Signals: spans and texts, and how each leaves the process under the standard variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor

from ragtrace.capture._seal import Seal
from ragtrace.capture._secret import read_secret
from ragtrace.capture.export._answer import Answer, Transport
from ragtrace.capture.export._export import Export
from ragtrace.capture.export._processors import LogProcessor, TraceProcessor
from ragtrace.capture.export._spool import Spool
from ragtrace.config import SPOOL_KEY_FILE, Config
from ragtrace.errors import ConfigError

__all__ = ["SPOOL_OFF", "is_otlp", "log_processor", "probe", "trace_processor"]

SPOOL_OFF: Final = "off"
"""In the place of a directory: nothing is written to disk."""
DELAY_SECONDS: Final = 0.2
"""That a span is in memory alone, unless said: so much is lost of a process that is killed."""
QUEUE_ITEMS: Final = 8_192
"""Spans or records in memory, unless said: 100 MB of large ones. 10,000 a second are encoded."""

_PROVIDER: Final = "OTEL_PYTHON_EXPORTER_OTLP_{}CREDENTIAL_PROVIDER"


@dataclass(frozen=True, slots=True)
class Signal:
    """What OpenTelemetry calls things of one kind of telemetry."""

    name: str
    batch_prefix: str
    service: str


TRACES: Final = Signal("traces", "OTEL_BSP", "trace.v1.TraceService")
LOGS: Final = Signal("logs", "OTEL_BLRP", "logs.v1.LogsService")


def is_otlp(signal: str) -> bool:
    """Whether ``traces`` or ``logs`` go by OTLP in a way that a spool can be put before.

    Not where a credential provider makes the session: it is the standard exporter's alone.
    """
    name = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip() or "otlp"
    places = ("HTTP_", f"HTTP_{signal.upper()}_", "GRPC_", f"GRPC_{signal.upper()}_")
    provided = any(os.environ.get(_PROVIDER.format(place)) for place in places)
    return name in ("otlp", "otlp_proto_http", "otlp_proto_grpc") and not provided


def trace_processor(config: Config) -> SpanProcessor:
    """Sends spans by OTLP, kept on disk until the back end has them.

    Raises:
        ConfigError: A setting cannot be used.
        MissingDependencyError: The spool is sealed, and ``cryptography`` is not installed.
    """
    from ragtrace.wire import encode_spans

    # Spans hold texts only where somebody wants those under OpenInference's names.
    texts = config.content and config.openinference
    return TraceProcessor(_export(TRACES, config, encode_spans, texts))


def log_processor(config: Config) -> LogRecordProcessor:
    """Sends texts by OTLP, kept on disk until the back end has them, if they may lie there.

    Raises:
        ConfigError: A setting cannot be used.
        MissingDependencyError: The spool is sealed, and ``cryptography`` is not installed.
    """
    from ragtrace.wire import encode_records

    return LogProcessor(_export(LOGS, config, encode_records, texts=True))


def probe(signal: str, seconds: float) -> Answer:
    """What the back end says to ``traces`` or ``logs`` without any in it, sent as all others are.

    Args:
        signal: One of the two.
        seconds: To wait for it.

    Raises:
        ConfigError: A setting cannot be used.
    """
    transport = _transport(TRACES if signal == TRACES.name else LOGS)
    try:
        return transport.send(b"", seconds)
    finally:
        transport.close()


def _export(
    signal: Signal, config: Config, encode: Callable[[Sequence[Any]], bytes], texts: bool
) -> Export[Any]:
    destination = _destination(signal)
    seal = None
    if config.spool_key_file is not None:
        key = read_secret(config.spool_key_file, SPOOL_KEY_FILE.variable)
        seal = Seal(key, b"ragtrace-spool-1" + destination.encode())
    root = _root(config.spool)
    # Protected text lies on disk sealed or not at all.
    above = None if root is None or (texts and seal is None) else root / destination
    return Export(
        signal.name,
        encode,
        Spool(signal.name, above, config.spool_bytes, seal),
        lambda: _transport(signal),
        _number(f"{signal.batch_prefix}_SCHEDULE_DELAY", DELAY_SECONDS * 1000) / 1000,
        int(_number(f"{signal.batch_prefix}_MAX_QUEUE_SIZE", QUEUE_ITEMS)),
    )


def _root(spool: str | None) -> Path | None:
    """Where batches wait; by default where programs of this user keep their state."""
    if spool == SPOOL_OFF:
        return None
    if spool:
        return Path(spool).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(state) if state else Path.home() / ".local" / "state") / "ragtrace" / "spool"
    except RuntimeError:  # a user without a home
        return None


def _protocol(signal: Signal) -> str:
    name = os.environ.get(f"OTEL_{signal.name.upper()}_EXPORTER", "")
    if name.startswith("otlp_proto_"):
        return name.removeprefix("otlp_proto_")
    said = _said(signal, "PROTOCOL") or "http/protobuf"
    return "grpc" if said == "grpc" else "http"


def _destination(signal: Signal) -> str:
    """Names who gets the batches, and as whose.

    Another process may send them only there, and with the same credentials.
    """
    said = [signal.name, _protocol(signal), _said(signal, "ENDPOINT"), _said(signal, "HEADERS")]
    name = sha256("\0".join(said).encode()).hexdigest()[:16]
    return f"{signal.name}-{name}"


def _said(signal: Signal, what: str) -> str:
    general = os.environ.get(f"OTEL_EXPORTER_OTLP_{what}", "")
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_{what}", general)


def _transport(signal: Signal) -> Transport:
    # Late, and in the thread that sends: requests and gRPC take a tenth of a second to import.
    protocol = _protocol(signal)
    name = f"otlp_proto_{protocol}"
    found = entry_points(group=f"opentelemetry_{signal.name}_exporter", name=name)
    if not found:
        raise ConfigError(f"no exporter is called {name!r} here")
    exporter = next(iter(found)).load()
    response: Any
    if signal is TRACES:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        response = trace_service_pb2.ExportTraceServiceResponse
    else:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

        response = logs_service_pb2.ExportLogsServiceResponse
    if protocol == "http":
        from ragtrace.capture.export._http import HttpTransport

        return HttpTransport(exporter, response)
    from ragtrace.capture.export._grpc import GrpcTransport

    method = f"/opentelemetry.proto.collector.{signal.service}/Export"
    return GrpcTransport(exporter, response, method)


def _number(variable: str, default: float) -> float:
    try:
        value = float(os.environ.get(variable) or default)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise ConfigError(f"{variable}: expected a number above 0")
    return value
