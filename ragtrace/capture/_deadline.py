"""Deadline: how long one prompt may be judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ragtrace.errors import RagtraceError

__all__ = ["Deadline", "JudgeTimeoutError"]


class JudgeTimeoutError(RagtraceError):
    """Judging a prompt has taken longer than the policy lets it."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Runs from its making.

    Attributes:
        clock: Seconds that only go forwards.
        seconds: How long it runs.
    """

    clock: Callable[[], float]
    seconds: float
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_start", self.clock())

    def check(self) -> None:
        """Asked between two steps; no step is interrupted.

        Raises:
            JudgeTimeoutError: It is over.
        """
        if self.clock() - self._start > self.seconds:
            raise JudgeTimeoutError(f"judging took longer than {self.seconds:g} s")
