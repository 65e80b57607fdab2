"""Back end: whether it answers, and takes what this environment sends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ragtrace.capture.export import is_otlp, probe
from ragtrace.cli._finding import Finding, Status
from ragtrace.errors import ConfigError

__all__ = ["backend_findings"]

WAIT: Final = 5.0
"""Seconds for an answer: as long as an application waits for it when it stops."""

UNSET: Final = "the standard place, for no OTEL_EXPORTER_OTLP_ENDPOINT is set"


def backend_findings(*, texts: bool) -> Iterator[Finding]:
    """What becomes of spans, and of texts where they are exported."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        said = "is true: nothing is recorded; all is judged and enforced"
        yield Finding("back end", "OTEL_SDK_DISABLED", "note", said)
        return
    yield _signal("traces")
    if texts:
        yield _signal("logs")


def _signal(signal: str) -> Finding:
    name = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip() or "otlp"
    if name == "none":
        return Finding("back end", signal, "note", "go nowhere: the exporter is none")
    if not is_otlp(signal):
        return Finding("back end", signal, "note", f"go by the exporter {name}: not looked at")
    where = _place(signal)
    try:
        answer = probe(signal, WAIT)
    except ConfigError as error:
        return Finding("back end", signal, "wrong", str(error))
    except Exception as error:  # of the exporter: its message may hold an address with a password
        said = f"{where}: the exporter cannot be made: {type(error).__name__}"
        return Finding("back end", signal, "wrong", said)
    states: dict[str, tuple[Status, str]] = {
        "taken": ("ok", "answers, and takes what is sent"),
        "refused": ("note", f"answers, and takes nothing empty: {answer.why}"),
        "later": ("wrong", f"cannot be reached, or lets nobody in: {answer.why}"),
    }
    status, said = states[answer.kind]
    return Finding("back end", signal, status, f"{where} {said}")


def _place(signal: str) -> str:
    """Host and port of an address, which may hold a password elsewhere."""
    general = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    said = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", general)
    if not said:
        return UNSET
    return (
        urlsplit(said if "//" in said else f"//{said}").netloc.rpartition("@")[2] or "the address"
    )
