"""Finding: one thing that ``ragtrace doctor`` has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["About", "Finding", "Status"]

About = Literal["framework", "coverage", "tracer", "policy", "setting", "back end"]
"""What was looked at; ``coverage`` is what is not covered."""

Status = Literal["ok", "note", "wrong"]
"""``note`` is for a reader; only what is ``wrong`` fails a build."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: Of the integration, the tracer, the variable.
        said: In a sentence, without secrets.
    """

    about: About
    name: str
    status: Status
    said: str
