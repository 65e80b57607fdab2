"""Beside: what ragtrace told from within an application; another tracer there tells it twice."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from typing import Final

from ragtrace.model import Chunk
from ragtrace.server._step import is_ours
from ragtrace.wire import SpanRecord, decode_chunks, names

__all__ = ["Beside"]

MOST_STEPS: Final = 1_000
"""Own steps of one service that are remembered: at 100 a second, the ten seconds within which the
other tracer's spans of the same moment have come as well."""
MOST_SERVICES: Final = 64
"""Services of which own steps are remembered; a span is some 10 kB, so all of them take 640 MB at
the very worst, and a few where a few are traced."""


class Beside:
    """The last steps that ragtrace traced itself, by service. Safe to use from several threads.

    A framework's tracer and ragtrace often share no trace. So what another tracer saw counts as
    told where the same service told it at the same time: the same documents or more, for ours has
    those too that a policy kept back.
    """

    def __init__(self) -> None:
        self._own: OrderedDict[str, deque[SpanRecord]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, service: str) -> bool:
        """Whether ragtrace is in that service."""
        return service in self._own

    def note(self, spans: Iterable[SpanRecord]) -> set[str]:
        """Remember those of ``spans`` that are steps of ours, and give services new to it."""
        new = set()
        with self._lock:
            for span in spans:
                if is_ours(span) and names.STAGE in span.attributes:
                    if span.service not in self._own:
                        new.add(span.service)
                        if len(self._own) >= MOST_SERVICES:
                            self._own.popitem(last=False)
                    self._own.setdefault(span.service, deque(maxlen=MOST_STEPS)).append(span)
        return new

    def tells(self, span: SpanRecord, chunks: Collection[Chunk]) -> bool:
        """Whether a step of ours, of the same service, stage and time, has all of ``chunks``.

        Args:
            span: Of another tracer.
            chunks: What is in it; known again by text, and where none was recorded by id.
        """
        wanted = {chunk.digest or chunk.id for chunk in chunks}
        with self._lock:
            own = list(self._own.get(span.service, ()))
        return bool(wanted) and any(
            one.attributes[names.STAGE] == span.attributes.get(names.STAGE)
            and one.start_ns <= span.end_ns
            and span.start_ns <= one.end_ns
            and wanted <= _named(decode_chunks(one.attributes))
            for one in own
        )


def _named(chunks: Iterable[Chunk]) -> set[str]:
    return {name for chunk in chunks for name in (chunk.digest, chunk.id)}
