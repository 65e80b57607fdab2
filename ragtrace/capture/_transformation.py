"""Transformation: the application says which of its steps is which."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ragtrace.labels import Transformation
from ragtrace.policy import Policy

__all__ = ["current_transformation", "transformation"]

_log = logging.getLogger("ragtrace")

MOST_SAID: Final = 100
"""Unknown names that are logged; an application has a few steps, and names each in its code."""

_current: ContextVar[str | None] = ContextVar("ragtrace_transformation", default=None)
_unknown: set[str] = set()


@contextmanager
def transformation(id: str) -> Iterator[None]:
    """The model calls inside are one step: ``with ragtrace.transformation("classify-intent"): …``.

    What the policy says under ``transformations`` of a step of this name holds for their answers.
    A name that it does not know lowers nothing. Of several, one inside the other, the innermost
    counts. A generator must not yield inside: what its caller does meanwhile would count too.

    Args:
        id: As the policy names the step.
    """
    token = _current.set(id)
    try:
        yield
    finally:
        try:
            _current.reset(token)
        except ValueError:
            pass  # left in another context than it was entered in, which ends by itself


def current_transformation(policy: Policy) -> Transformation | None:
    """The step that is running, where ``policy`` names it; an unknown name is logged once."""
    name = _current.get()
    if name is None or policy.observe_only:
        return None
    found = policy.transformations.get(name)
    if found is None and name not in _unknown and len(_unknown) < MOST_SAID:
        _unknown.add(name)
        _log.warning("ragtrace: the policy knows no transformation %r; nothing is lowered", name)
    return found
