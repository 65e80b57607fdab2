"""Window: the traces of the last moments, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ragtrace.server._sighting import Sighting, who
from ragtrace.server._step import Step
from ragtrace.wire import SpanRecord

__all__ = ["Known", "Window"]

MOST_TRACES: Final = 2_048
"""Traces remembered: at 100 a second, twenty seconds of them, by when a trace has been exported."""
MOST_CHARACTERS: Final = 32 * 1024 * 1024
"""Held over all traces, of texts and of what is said about them: up to 128 MiB."""
EACH_SPAN: Final = 500
"""What a span takes beside its texts, counted as characters."""


@dataclass(slots=True)
class Known:
    """What is known of one trace.

    Attributes:
        steps: By span id, their spans without what is not needed to tell them apart.
        spans: Every span of it by id, also those that are no steps.
        held: Characters that it counts for.
    """

    steps: dict[str, Step] = field(default_factory=dict)
    spans: dict[str, Sighting] = field(default_factory=dict)
    held: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it has a root, and the parent of every other span.

        A root ends last. What is missing then can only be a span that nothing is below of.
        """
        parents = {span.parent for span in self.spans.values()}
        return "" in parents and parents - {""} <= self.spans.keys()

    @property
    def is_mixed(self) -> bool:
        """Whether ragtrace traced it as well, in the application."""
        return any(span.ours for span in self.spans.values())

    @property
    def services(self) -> set[str]:
        """The services that its spans are of."""
        return {span.service for span in self.spans.values()}

    @property
    def who(self) -> dict[str, str]:
        """Session, user, audience and tenant, as far as its spans agree."""
        return who(self.spans.values())

    def note(self, spans: Iterable[SpanRecord], steps: Mapping[str, Step]) -> None:
        """Take in more; what ragtrace told of itself is replaced by nobody else's."""
        for span in spans:
            seen, before = Sighting.of(span), self.spans.get(span.span_id)
            if before is not None and before.ours and not seen.ours:
                continue
            self.held += seen.characters - (before.characters if before is not None else -EACH_SPAN)
            self.spans[span.span_id] = seen
        for name, whole in steps.items():
            step, known = whole.bare, self.steps.get(name)
            if known is not None and known.ours and not step.ours:
                continue
            self.held += step.characters - (known.characters if known is not None else 0)
            self.steps[name] = step


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
            if not known.services.isdisjoint(services)
        ]

    def note(self, trace_id: str, spans: Iterable[SpanRecord], steps: Mapping[str, Step]) -> Known:
        """Remember more of a trace, and give all that is known of it; the oldest are forgotten.

        What is given does not change with what is noted later.
        """
        known = self._traces.setdefault(trace_id, Known())
        self._traces.move_to_end(trace_id)
        before = known.held
        known.note(spans, steps)
        self._held += known.held - before
        while self._traces and (len(self._traces) > self._most or self._held > self._room):
            _, oldest = self._traces.popitem(last=False)
            self._held -= oldest.held
        return Known(dict(known.steps), dict(known.spans), known.held)
