"""Frameworks: what is installed, what of it is wrapped, and what is not covered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from typing import Any, Final

from opentelemetry.trace import NoOpTracer
from packaging.requirements import Requirement

from ragtrace.capture import (
    Runtime,
    current,
    disabled,
    hooks_of,
    import_all,
    install,
    instrument_all,
    integrations,
    why_left_out,
)
from ragtrace.cli._finding import Finding
from ragtrace.config import Config
from ragtrace.policy import Policy

__all__ = ["Framework", "frameworks", "watch", "without_integration"]

WITHOUT: Final = (
    *("anthropic", "autogen-core", "azure-ai-inference", "boto3", "cohere", "crewai", "dspy"),
    *("elasticsearch", "google-genai", "groq", "haystack-ai", "huggingface-hub", "litellm"),
    *("mistralai", "ollama", "opensearch-py", "pinecone", "pydantic-ai", "pymilvus"),
    *("semantic-kernel", "transformers", "vllm", "weaviate-client"),
)
"""Distributions that ask models or find documents, and that no integration is for."""


@dataclass(frozen=True, slots=True)
class Framework:
    """An integration and the framework that it is for.

    Attributes:
        integration: Name of its entry point.
        requires: What it needs, as pip would write it.
        installed: Versions, by distribution; ``None`` where it is not installed.
        bound: Methods that are wrapped.
        missing: Methods that were to be wrapped and are not there.
        overridden: Methods of subclasses that take the place of a wrapped one.
        own_ways: Methods of subclasses that may not come down to a wrapped one.
        left_out: Why it is not wrapped at all, although it is installed.
        disabled: Whether somebody has switched it off.
    """

    integration: str
    requires: tuple[str, ...]
    installed: dict[str, str | None]
    bound: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    overridden: list[str] = field(default_factory=list)
    own_ways: list[str] = field(default_factory=list)
    left_out: str | None = None
    disabled: bool = False

    @property
    def present(self) -> bool:
        """Whether anything of the framework is installed."""
        return any(self.installed.values())

    def findings(self) -> Iterator[Finding]:
        """What there is to say of it."""
        name = self.integration
        have = ", ".join(f"{dist} {found}" for dist, found in self.installed.items() if found)
        if not self.present:
            wanted = ", ".join(self.requires)
            yield Finding("framework", name, "note", f"not installed: {wanted}")
        elif self.disabled:
            why = f"{have}: switched off in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
            yield Finding("coverage", name, "note", why)
        elif self.left_out is not None:
            yield Finding("coverage", name, "wrong", self.left_out)
        else:
            yield Finding("framework", name, "ok", f"{have}: {len(self.bound)} methods wrapped")
        for place in self.missing:
            yield Finding("coverage", name, "wrong", f"{place} is not there: not judged")
        for place in self.overridden:
            said = f"{place} takes the place of a wrapped method: judged only where it calls that"
            yield Finding("coverage", name, "wrong", said)
        for place in self.own_ways:
            said = f"{place} goes its own way: judged only where that comes to a wrapped method"
            yield Finding("coverage", name, "note", said)


def watch() -> None:
    """Import and wrap what is installed, as an application would; nothing is recorded of it."""
    if current() is None:
        install(Runtime(Config(), Policy.observing(), NoOpTracer()))
    instrument_all()
    import_all()


def frameworks() -> list[Framework]:
    """Every integration there is, as it is now."""
    return [_framework(point) for point in integrations()]


def without_integration() -> Iterator[Finding]:
    """What is installed and passes unseen, unless something that is seen calls it."""
    for name in WITHOUT:
        found = _version(name)
        if found is not None:
            said = f"{name} {found} has no integration: calls of its own are not seen"
            yield Finding("coverage", name, "note", said)


def _framework(point: EntryPoint) -> Framework:
    requires = _requires(point)
    names = [Requirement(one).name for one in requires]
    hooks = hooks_of(point.name) or ()
    left_out = why_left_out(point.name)
    return Framework(
        point.name,
        requires,
        {name: _version(name) for name in names},
        [place for one in hooks for place in one.bound],
        [place for one in hooks for place in one.missing],
        [place for one in hooks for place in one.overridden],
        [place for one in hooks for place in one.own_ways],
        left_out or (None if hooks else "it has wrapped nothing"),
        disabled(point.name),
    )


def _requires(point: EntryPoint) -> tuple[str, ...]:
    try:
        made: Any = point.load()()
    except ImportError:
        return ()
    return tuple(made.instrumentation_dependencies())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
