"""Coverage: what of each framework runs through ragtrace in this process, and what does not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ragtrace.capture._imports import overtaken
from ragtrace.capture._patches import Patches

__all__ = [
    "Gap",
    "bound",
    "gaps",
    "hooks_of",
    "left_out",
    "missed",
    "released",
    "why_left_out",
]

_log = logging.getLogger("ragtrace")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a framework does and ragtrace does not see.

    Attributes:
        integration: Name of its entry point, as ``ragtrace_langchain``.
        why: In a sentence, without anything of what the application holds.
    """

    integration: str
    why: str

    def __str__(self) -> str:
        return f"{self.integration}: {self.why}"


_bound: dict[str, list[Patches]] = {}
_left_out: dict[str, Gap] = {}


def bound(integration: str, hooks: list[Patches]) -> None:
    """Note that an integration wraps its framework: what is in ``hooks``, and will be, as more of
    it is imported.
    """
    _left_out.pop(integration, None)
    _bound[integration] = hooks
    for patches in hooks:
        missed(integration, patches)


def missed(integration: str, patches: Patches) -> None:
    """Say what an integration did not find."""
    for gap in _missing(integration, patches):
        _log.warning("ragtrace: %s", gap)


def left_out(integration: str, why: str) -> None:
    """Note that a framework which is there passes unjudged, or a part of it; say so, once."""
    gap = Gap(integration, why)
    if _left_out.get(integration) != gap:
        _log.warning("ragtrace: %s is not instrumented: %s", integration, why)
    _left_out[integration] = gap


def released(integration: str) -> None:
    """Note that an integration has let go of its framework, as it was asked to."""
    _bound.pop(integration, None)
    _left_out.pop(integration, None)


def gaps() -> tuple[Gap, ...]:
    """All that is not covered now, of frameworks that are installed and meant to be covered.

    One that nobody has imported yet lets nothing pass.
    """
    overtaken()
    missing = [
        gap
        for name, hooks in tuple(_bound.items())
        for patches in tuple(hooks)
        if patches.missing
        for gap in _missing(name, patches)
    ]
    return (*_left_out.values(), *missing)


def hooks_of(integration: str) -> tuple[Patches, ...] | None:
    """The methods that an integration has wrapped; ``None`` where it is not instrumented."""
    hooks = _bound.get(integration)
    return None if hooks is None else tuple(hooks)


def why_left_out(integration: str) -> str | None:
    """Why an integration has not wrapped its framework, or a part of it, if there is a reason."""
    gap = _left_out.get(integration)
    return None if gap is None else gap.why


def _missing(integration: str, patches: Patches) -> list[Gap]:
    return [
        Gap(integration, f"{place} is not there: what passes through it is not judged")
        for place in patches.missing
    ]
