"""Beside: what ragtrace told from within an application; another tracer there tells it twice."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Self

from ragtrace.model import Chunk
from ragtrace.server._step import is_ours
from ragtrace.wire import SpanRecord, decode_chunks, holds_chunks, names

__all__ = ["Beside"]

MOST_STEPS: Final = 1_000
"""Own steps of one service that are remembered: at 100 a second, the ten seconds within which the
other tracer's spans of the same moment have come as well."""
MOST_SERVICES: Final = 64
"""Services of which own steps are remembered."""
MOST_CHARACTERS: Final = 64_000_000
"""Of flows as they were written, remembered over all services: some 64 MB. They are read when
another tracer's span comes: most never are, and reading them took longer than storing them."""


@dataclass(slots=True)
class _Told:
    """One step of ours: when it was, and what was in it."""

    stage: str
    start_ns: int
    end_ns: int
    flows: dict[str, str]
    _names: frozenset[str] | None = None

    @classmethod
    def of(cls, span: SpanRecord) -> Self:
        told = {name: said for name, said in span.attributes.items() if holds_chunks(name)}
        return cls(span.attributes[names.STAGE], span.start_ns, span.end_ns, told)

    @property
    def size(self) -> int:
        """Characters that are held."""
        return sum(map(len, self.flows.values()))

    def names(self) -> frozenset[str]:
        """Digests and ids of its chunks."""
        if self._names is None:
            found = decode_chunks(self.flows)
            self._names = frozenset(name for one in found for name in (one.digest, one.id))
        return self._names


class Beside:
    """The last steps that ragtrace traced itself, by service. Safe to use from several threads.

    A framework's tracer and ragtrace often share no trace. So what another tracer saw counts as
    told where the same service told it at the same time: the same documents or more, for ours has
    those too that a policy kept back.
    """

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self._own: OrderedDict[str, deque[_Told]] = OrderedDict()
        self._most, self._held = most, 0
        self._lock = threading.Lock()

    def __contains__(self, service: str) -> bool:
        """Whether ragtrace is in that service."""
        return service in self._own

    def note(self, spans: Iterable[SpanRecord]) -> set[str]:
        """Remember those of ``spans`` that are steps of ours, and give services new to it."""
        told = [
            (span.service, _Told.of(span))
            for span in spans
            if is_ours(span) and names.STAGE in span.attributes
        ]
        with self._lock:
            new = {service for service, _ in told} - self._own.keys()
            for service, one in told:
                steps = self._own.setdefault(service, deque())
                self._own.move_to_end(service)
                steps.append(one)
                self._held += one.size
                if len(steps) > MOST_STEPS:
                    self._held -= steps.popleft().size
                self._forget()
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
            one.stage == span.attributes.get(names.STAGE)
            and one.start_ns <= span.end_ns
            and span.start_ns <= one.end_ns
            and wanted <= one.names()
            for one in own
        )

    def _forget(self) -> None:
        """Keep within bounds; the service that was told of longest ago goes first."""
        while self._own and (len(self._own) > MOST_SERVICES or self._held > self._most):
            _, steps = self._own.popitem(last=False)
            self._held -= sum(one.size for one in steps)
