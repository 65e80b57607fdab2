"""Window: the traces of the last moments, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ragtrace.server._step import Step, is_ours
from ragtrace.wire import SpanRecord, names

__all__ = ["Known", "Window", "who"]

MOST_TRACES: Final = 2_048
"""Traces remembered: at 100 a second, twenty seconds of them, by when a trace has been exported."""
MOST_CHARACTERS: Final = 32 * 1024 * 1024
"""Text remembered, over all traces: up to 128 MiB."""

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


@dataclass(slots=True)
class Known:
    """What is known of one trace.

    Attributes:
        steps: By span id.
        spans: Every span of it, also those that are no steps, with the id of its parent.
    """

    steps: dict[str, Step] = field(default_factory=dict)
    spans: dict[str, SpanRecord] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether it has a root, and the parent of every other span.

        A root ends last. What is missing then can only be a span that nothing is below of.
        """
        parents = {span.parent_span_id for span in self.spans.values()}
        return "" in parents and parents - {""} <= self.spans.keys()

    @property
    def is_mixed(self) -> bool:
        """Whether ragtrace traced it as well, in the application."""
        return any(is_ours(span) for span in self.spans.values())

    @property
    def who(self) -> dict[str, str]:
        """Session, user, audience and tenant, as far as its spans agree."""
        return who(self.spans.values())


def who(spans: Iterable[SpanRecord]) -> dict[str, str]:
    """Session, user, audience and tenant of a trace, as far as its spans agree."""
    said: dict[str, set[str]] = {name: set() for name in _WHO}
    for span in spans:
        for name, called in _WHO.items():
            value = next((v for one in called if (v := span.attributes.get(one))), None)
            if value:
                said[name].add(value)
    return {name: values.pop() for name, values in said.items() if len(values) == 1}


class Window:
    """The newest traces with foreign steps; not thread-safe, the owner holds a lock."""

    def __init__(self, traces: int = MOST_TRACES, characters: int = MOST_CHARACTERS) -> None:
        self._most, self._room = traces, characters
        self._traces: OrderedDict[str, Known] = OrderedDict()
        self._held = 0

    def __contains__(self, trace_id: str) -> bool:
        return trace_id in self._traces

    def get(self, trace_id: str) -> Known | None:
        """What is remembered of a trace."""
        return self._traces.get(trace_id)

    def of_services(self, services: Collection[str]) -> list[str]:
        """The traces with a span of one of these services."""
        return [
            trace_id
            for trace_id, known in self._traces.items()
            if any(span.service in services for span in known.spans.values())
        ]

    def note(self, trace_id: str, spans: Iterable[SpanRecord], steps: Mapping[str, Step]) -> Known:
        """Remember more of a trace, and give all that is known of it; the oldest are forgotten."""
        known = self._traces.setdefault(trace_id, Known())
        self._traces.move_to_end(trace_id)
        for name, step in steps.items():
            before = known.steps.get(name)
            self._held += step.characters - (before.characters if before is not None else 0)
            known.steps[name] = step
        known.spans.update((span.span_id, span) for span in spans)
        while self._traces and (len(self._traces) > self._most or self._held > self._room):
            _, oldest = self._traces.popitem(last=False)
            self._held -= sum(step.characters for step in oldest.steps.values())
        return known
