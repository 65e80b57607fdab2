"""Integrations: those that are installed, each loaded by itself."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError

from ragtrace.capture._coverage import left_out

__all__ = ["disabled", "import_all", "instrument_all", "integrations", "uninstrument_all"]

_PREFIX: Final = "ragtrace_"
"""Entry points of ours in the group that all instrumentors share."""


@cache
def integrations() -> list[EntryPoint]:
    """Ours; looked up once, for reading what all installed distributions say takes 5 ms."""
    points = entry_points(group="opentelemetry_instrumentor")
    return [point for point in points if point.name.startswith(_PREFIX)]


def instrument_all() -> None:
    """Wrap every framework that is installed, as soon as it is imported; one that does not fit is
    said and left out.
    """
    for point in integrations():
        if disabled(point.name):
            continue
        try:
            instrumentor = point.load()()
        except ImportError as error:
            if not _is_absent(error):
                left_out(point.name, f"it cannot be imported: {error}")
            continue
        with suppress(ImportError, DependencyConflictError):  # which it has said
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()


def uninstrument_all() -> None:
    """Unwrap every framework that is wrapped."""
    for point in integrations():
        try:
            instrumentor = point.load()()
        except ImportError:
            continue
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()


def import_all() -> None:
    """Import what instrumentors are waiting for, to see now whether all of it can be wrapped."""
    for point in integrations():
        try:
            instrumentor = point.load()()
        except ImportError:
            continue
        if instrumentor.is_instrumented_by_opentelemetry:
            for module in instrumentor.modules:
                _import(point.name, module)


def _import(integration: str, module: str) -> None:
    try:
        import_module(module)
    except Exception as error:  # whatever a framework raises while it is imported
        if not (isinstance(error, ImportError) and _is_absent(error)):
            why = f"{module} cannot be imported: {type(error).__name__}: {error}"
            left_out(integration, why)


def disabled(integration: str) -> bool:
    """Whether the standard variable switches an integration off, or all of them."""
    said = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return not {integration, "*"}.isdisjoint(name.strip() for name in said)


def _is_absent(error: ImportError) -> bool:
    """Whether a whole framework is not installed, and not only a part of it gone."""
    top = (error.name or "").partition(".")[0]
    return isinstance(error, ModuleNotFoundError) and bool(top) and find_spec(top) is None
