"""Setup: from settings to a running capture side, and back."""

from __future__ import annotations

import logging
import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ragtrace.capture._ledger import Ledger
from ragtrace.capture._request import OpenRequest
from ragtrace.capture._runtime import Runtime, current, install
from ragtrace.capture._vault import Vault
from ragtrace.config import Config, load
from ragtrace.errors import ConfigError, CorpusIndexError, PolicyFileError
from ragtrace.policy import Policy, read_policy
from ragtrace.wire import names

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus

__all__ = ["ensure", "init", "request", "shutdown"]

_log = logging.getLogger("ragtrace")

_PREFIX: Final = "ragtrace_"
"""Entry points of ours in the group that all instrumentors share."""

_owned: list[Any] = []
"""Providers made here, and so to be shut down here."""


def init(
    policy: str | None = None,
    *,
    audience: str | None = None,
    content: bool | None = None,
    openinference: bool | None = None,
    index: str | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    logger_provider: Any = None,
    instrument: bool = True,
) -> None:
    """Start tracing, and enforcing where a policy is given; wraps every framework installed.

    An argument beats its ``RAGTRACE_*`` variable. Spans go to the application's tracer
    provider where it has set one; else one is made from the standard ``OTEL_*`` variables.
    Called again, it replaces policy and settings for every request from then on.

    Args:
        policy: Policy file; without one everything is recorded and nothing kept back.
        audience: Audience of requests that do not name their own.
        content: Whether texts are exported, each once; off unless asked for.
        openinference: Whether OpenInference names are written beside the GenAI ones.
        index: Directory of a corpus index; prompts are looked through for what is in it, also
            where no retrieval was observed.
        tracer_provider: Where spans go, instead of the global provider.
        logger_provider: Where texts go, if ``content``, instead of a provider of our own.
        instrument: Whether to wrap the frameworks that are installed.

    Raises:
        ConfigError: A setting cannot be used.
        PolicyFileError: The policy file cannot be used; nothing has been changed.
        CorpusIndexError: The index cannot be used; nothing has been changed.
    """
    config = load(
        policy=policy, audience=audience, content=content, openinference=openinference, index=index
    )
    judged_by = read_policy(config.policy) if config.policy else Policy.observing()
    corpus = _corpus(config)
    _install(config, judged_by, corpus, tracer_provider, logger_provider)
    if instrument:
        _instrument_all()


def ensure() -> None:
    """Start from the environment where nobody has called ``init``.

    Here nobody is there to be told: a policy or an index that cannot be read blocks every
    model call.
    """
    if current() is not None:
        return
    try:
        config = load()
        policy = read_policy(config.policy) if config.policy else Policy.observing()
        corpus = _corpus(config)
    except (ConfigError, PolicyFileError, CorpusIndexError) as error:
        _log.error("ragtrace: %s; every model call is blocked until this is put right", error)
        what = "corpus index" if isinstance(error, CorpusIndexError) else "policy file"
        config, policy, corpus = Config(), Policy.closed(f"the {what} could not be used"), None
    _install(config, policy, corpus, None, None)


def _corpus(config: Config) -> Corpus | None:
    if config.index is None:
        return None
    from ragtrace.attribution.corpus import Corpus  # few processes have an index

    return Corpus.open(config.index, config.index_key_file)


def request(
    audience: str | None = None,
    *,
    session: str | None = None,
    user: str | None = None,
    tenant: str | None = None,
) -> OpenRequest:
    """One user-facing turn: ``with ragtrace.request(audience="customer"): chain.invoke(…)``.

    Everything called inside, on whatever task or framework thread, belongs to it. An
    audience the policy does not name is least cleared.

    Args:
        audience: Who will read the completion.
        session: The conversation.
        user: The reader's own id.
        tenant: Whose data may be shown; held as compartment ``tenant:NAME``.
    """
    ensure()
    runtime = current()
    if runtime is None:  # pragma: no cover - shut down by another thread just now
        raise ConfigError("ragtrace was shut down while a request was being opened")
    return OpenRequest(runtime.request(audience, session=session, user=user, tenant=tenant))


def shutdown() -> None:
    """Unwrap every framework, send what is waiting, stop; ``init`` starts again."""
    for point in _instrumentors():
        try:
            instrumentor = point.load()()
        except ImportError:
            continue
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
    install(None)
    while _owned:
        _owned.pop().shutdown()


def _install(
    config: Config,
    policy: Policy,
    corpus: Corpus | None,
    tracer_provider: trace.TracerProvider | None,
    logs: Any,
) -> None:
    replaced = current()
    provider = tracer_provider or _tracer_provider()
    vault = None
    if config.content:
        logger = (logs or _logger_provider()).get_logger(names.SCOPE)
        vault = (replaced.vault if replaced and not logs else None) or Vault(logger)
    # The ledger is what the process has seen, whatever the policy is now.
    ledger = replaced.ledger if replaced is not None else Ledger()
    tracer = provider.get_tracer(names.SCOPE)
    install(Runtime(config, policy, tracer, vault, corpus, ledger))


def _tracer_provider() -> trace.TracerProvider:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, trace.ProxyTracerProvider):
        return provider
    made = TracerProvider(resource=Resource.create())
    exporter = _exporter("traces")
    if exporter is not None:
        made.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(made)
    _owned.append(made)
    return made


def _logger_provider() -> LoggerProvider:
    made = LoggerProvider(resource=Resource.create())
    exporter = _exporter("logs")
    if exporter is not None:
        made.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _owned.append(made)
    return made


def _exporter(signal: str) -> Any:
    """The exporter the standard variables ask for, ``None`` for none; OTLP unless said.

    Raises:
        ConfigError: There is no exporter of that name.
    """
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    name = os.environ.get(variable, "otlp").strip() or "otlp"
    if name == "none":
        return None
    if name == "otlp":
        protocol = os.environ.get(
            f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL",
            os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        )
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    found = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
    if not found:
        raise ConfigError(f"{variable}: no exporter is called {name!r} here")
    return next(iter(found)).load()()


def _instrumentors() -> list[EntryPoint]:
    points = entry_points(group="opentelemetry_instrumentor")
    return [point for point in points if point.name.startswith(_PREFIX)]


def _instrument_all() -> None:
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    for point in _instrumentors():
        if point.name in (name.strip() for name in disabled):
            continue
        try:
            instrumentor = point.load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()
        except (ImportError, DependencyConflictError) as why:
            # A framework that is not there needs no warning; one that is there and passes
            # unjudged does.
            missing = isinstance(why, ModuleNotFoundError) or (
                isinstance(why, DependencyConflictError) and why.conflict.found is None
            )
            level = logging.DEBUG if missing else logging.WARNING
            _log.log(level, "ragtrace: %s is not instrumented: %s", point.name, why)
