"""Tracers: who else watches this environment, and whether they do so now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, Final

from ragtrace.cli._finding import Finding

__all__ = ["Tracer", "tracers"]

SWITCHES: Final = {
    "arize-phoenix-otel": (),
    "langfuse": (),
    "langsmith": ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"),
    "logfire": (),
    "mlflow": (),
    "opik": (),
    "traceloop-sdk": (),
    "weave": (),
}
"""Tracers that are no instrumentors of OpenTelemetry's, and the variables that switch them on."""

_TRUE: Final = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True)
class Tracer:
    """Somebody else who watches.

    Attributes:
        name: Of the entry point, or the distribution.
        distribution: What it comes with, and its version.
        instrumented: Whether it watches in this process; ``None`` where that cannot be told.
    """

    name: str
    distribution: str
    instrumented: bool | None

    def finding(self) -> Finding:
        """What there is to say of it: it is no fault of anybody's."""
        states = {True: "watches here", False: "installed, and not on", None: "installed"}
        said = f"{self.distribution}: {states[self.instrumented]}"
        return Finding("tracer", self.name, "note", said)


def tracers() -> Iterator[Tracer]:
    """All other instrumentors and known tracers that are installed, by name."""
    for point in sorted(entry_points(group="opentelemetry_instrumentor"), key=lambda p: p.name):
        if not point.name.startswith("ragtrace_"):
            dist = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
            yield Tracer(point.name, dist, _is_on(point))
    for name, switches in SWITCHES.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        on = any(os.environ.get(switch, "").lower() in _TRUE for switch in switches)
        yield Tracer(name, f"{name} {found}", on if switches else None)


def _is_on(point: EntryPoint) -> bool:
    """Whether it has been asked to instrument; one that was never imported has not."""
    module = sys.modules.get(point.module)
    made: Any = getattr(getattr(module, point.attr, None), "_instance", None)
    return bool(getattr(made, "is_instrumented_by_opentelemetry", False))
