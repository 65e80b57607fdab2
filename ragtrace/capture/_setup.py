"""Setup: from settings to a running capture side, and back."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ragtrace.capture._failed import uncovered
from ragtrace.capture._guarded import guarded
from ragtrace.capture._integrations import instrument_all, uninstrument_all
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._opened import Opened
from ragtrace.capture._reload import Reload
from ragtrace.capture._request import OpenRequest
from ragtrace.capture._runtime import Runtime, current, install
from ragtrace.capture._vault import Vault
from ragtrace.capture.export import is_otlp, log_processor, trace_processor
from ragtrace.config import Config, load
from ragtrace.errors import (
    ConfigError,
    CorpusIndexError,
    LedgerUnreachableError,
    MissingDependencyError,
    PolicyBlocked,
    PolicyFileError,
    RagtraceError,
)
from ragtrace.policy import Files, Policy, read_policy
from ragtrace.wire import encode_decision, names

__all__ = ["ensure", "flush", "init", "request", "shutdown"]

_log = logging.getLogger("ragtrace")

_owned: list[Any] = []
"""Providers made here, and so to be shut down here."""


def init(
    policy: str | None = None,
    *,
    audience: str | None = None,
    content: bool | None = None,
    openinference: bool | None = None,
    index: str | None = None,
    ledger: str | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    logger_provider: Any = None,
    instrument: bool = True,
) -> None:
    """Start tracing, and enforcing where a policy is given; wraps every framework installed,
    as soon as it is imported: none is imported here.

    An argument beats its ``RAGTRACE_*`` variable. Spans go to the application's tracer
    provider where it has set one; else one is made from the standard ``OTEL_*`` variables.
    Called again, it replaces policy and settings for every request from then on. The policy's
    files are read anew when they change.

    Args:
        policy: Policy file; without one everything is recorded and nothing kept back.
        audience: Audience of requests that do not name their own.
        content: Whether texts are exported, each once; off unless asked for.
        openinference: Whether OpenInference names are written beside the GenAI ones.
        index: Directory of a corpus index; prompts are looked through for what is in it, also
            where no retrieval was observed.
        ledger: URL of the Redis by which the ledger is shared with other processes; one that does
            not answer now is asked again by every call.
        tracer_provider: Where spans go, instead of the global provider.
        logger_provider: Where texts go, if ``content``, instead of a provider of our own.
        instrument: Whether to wrap the frameworks that are installed.

    Raises:
        ConfigError: A setting cannot be used.
        MissingDependencyError: A shared ledger needs the extra ``redis``.
        PolicyFileError: The policy file cannot be used; nothing has been changed.
        CorpusIndexError: The index cannot be used; nothing has been changed.
    """
    config = load(
        policy=policy,
        audience=audience,
        content=content,
        openinference=openinference,
        index=index,
        ledger=ledger,
    )
    files = Files()
    judged_by = _policy(config, files)
    opened = Opened.of(config, current())
    reload = _reload(config, files)
    _install(config, judged_by, opened, reload, None, tracer_provider, logger_provider)
    if instrument:
        instrument_all()


def ensure() -> None:
    """Start from the environment where nobody has called ``init``.

    Here nobody is there to be told: a policy or an index that cannot be read blocks every
    model call. A policy does so until its files are put right.
    """
    if current() is not None:
        return
    try:
        config = load()
        opened = Opened.of(config, None)
    except (ConfigError, CorpusIndexError, MissingDependencyError) as error:
        what = "corpus index" if isinstance(error, CorpusIndexError) else "settings"
        _install(Config(), _closed(what, error), Opened())
        return
    files = Files()
    stale = None
    try:
        policy = _policy(config, files)
    except PolicyFileError as error:
        policy, stale = _closed("policy file", error), error
    _install(config, policy, opened, _reload(config, files), stale)


def _policy(config: Config, files: Files) -> Policy:
    return read_policy(config.policy, files) if config.policy else Policy.observing()


def _closed(what: str, error: RagtraceError) -> Policy:
    _log.error("ragtrace: %s; every model call is blocked until this is put right", error)
    return Policy.closed(f"the {what} could not be used")


def _reload(config: Config, files: Files) -> Reload | None:
    if not config.policy or not config.policy_reload:
        return None
    return Reload(config.policy, files, config.policy_reload)


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

    Raises:
        PolicyBlocked: Something may pass unjudged here, and the policy has that audience refused
            where it does (``failures.not-covered``).
    """
    ensure()
    runtime = current()
    if runtime is None:  # pragma: no cover - shut down by another thread just now
        raise ConfigError("ragtrace was shut down while a request was being opened")
    opened = runtime.request(audience, session=session, user=user, tenant=tenant)
    # A model that is called by a way nobody watches cannot be refused: the turn has to be.
    decision = uncovered(runtime, opened.reader(runtime.policy))
    if decision is None:
        return OpenRequest(opened)
    with guarded("request span"):
        if opened.span is not None:
            opened.span.set_attributes(encode_decision(decision))
    opened.end(failed=True)
    raise PolicyBlocked(decision)


def shutdown() -> None:
    """Unwrap every framework, send what is waiting, stop; ``init`` starts again."""
    uninstrument_all()
    stopped = install(None)
    if stopped is not None and stopped.ledger.shared is not None:
        stopped.ledger.shared.close()
    while _owned:
        _owned.pop().shutdown()


def flush() -> bool:
    """Send what is waiting, for at most a few seconds each of spans and texts; whether it is sent.

    What is not sent by then goes on waiting. Only what leaves by providers made here.
    """
    return all([provider.force_flush() for provider in _owned])


def _install(
    config: Config,
    policy: Policy,
    opened: Opened,
    reload: Reload | None = None,
    stale: PolicyFileError | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    logs: Any = None,
) -> None:
    replaced = current()
    provider = tracer_provider or _tracer_provider(config)
    vault = None
    if config.content:
        vault = replaced.vault if replaced and not logs else None
        if vault is None:
            vault = Vault((logs or _logger_provider(config)).get_logger(names.SCOPE))
    # The ledger is what the process has seen, whatever the policy is now.
    ledger = replaced.ledger if replaced is not None else Ledger()
    shared, ledger.shared = ledger.shared, opened.shared
    tracer = provider.get_tracer(names.SCOPE)
    made = Runtime(config, policy, tracer, vault, opened.corpus, ledger, reload, stale)
    install(replace(made, envelopes=opened.envelopes))
    if shared is not opened.shared:
        if shared is not None:
            shared.close()
        with suppress(LedgerUnreachableError):  # which it has said, and which every call is told
            ledger.look()


def _tracer_provider(config: Config) -> trace.TracerProvider:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, trace.ProxyTracerProvider):
        return provider
    made = TracerProvider(resource=Resource.create())
    if is_otlp("traces"):
        made.add_span_processor(trace_processor(config))
    elif (exporter := _exporter("traces")) is not None:
        made.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(made)
    _owned.append(made)
    return made


def _logger_provider(config: Config) -> LoggerProvider:
    made = LoggerProvider(resource=Resource.create())
    if is_otlp("logs"):
        made.add_log_record_processor(log_processor(config))
    elif (exporter := _exporter("logs")) is not None:
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
