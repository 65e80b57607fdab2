"""Sighting: the little of a span that is remembered, whether or not it is a step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from ragtrace.server._step import is_ours
from ragtrace.wire import SpanRecord, names

__all__ = ["Sighting", "who"]

_WHO: Final[dict[str, tuple[str, ...]]] = {
    names.SESSION: (
        names.SESSION,
        names.GEN_AI_CONVERSATION,
        "langfuse.session.id",
        "mlflow.trace.session",
    ),
    names.USER: (names.USER, "langfuse.user.id", "mlflow.trace.user"),
    names.AUDIENCE: (names.AUDIENCE,),
    names.TENANT: (names.TENANT,),
}
"""What is said of a whole trace, often on its root alone, and what tracers call it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A span that was seen, without its attributes.

    Attributes:
        parent: Its parent's id, empty for a root.
        ours: Whether ragtrace wrote it in the application.
        who: Which of session, user, audience and tenant it says, and what.
    """

    parent: str
    service: str
    ours: bool
    who: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, span: SpanRecord) -> Self:
        """What is remembered of ``span``."""
        said = (
            (name, next((v for one in called if (v := span.attributes.get(one))), ""))
            for name, called in _WHO.items()
        )
        found = tuple((name, value) for name, value in said if value)
        return cls(span.parent_span_id, span.service, is_ours(span), found)

    @property
    def characters(self) -> int:
        """How much text it holds in memory."""
        return len(self.parent) + len(self.service) + sum(len(value) for _, value in self.who)


def who(sightings: Iterable[Sighting]) -> dict[str, str]:
    """Session, user, audience and tenant of a trace, as far as its spans agree."""
    said: dict[str, set[str]] = {name: set() for name in _WHO}
    for one in sightings:
        for name, value in one.who:
            said[name].add(value)
    return {name: values.pop() for name, values in said.items() if len(values) == 1}
