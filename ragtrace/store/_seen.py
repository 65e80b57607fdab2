"""Seen: a store as one caller sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ragtrace.store._access import Access
from ragtrace.store._chained import ChainedStep
from ragtrace.store._entries import Head
from ragtrace.store._judged import FlowKind, JudgedFlow, JudgedRow, Judging
from ragtrace.store._pages import Place
from ragtrace.store._questions import REACH_LIMIT, Questions
from ragtrace.store._reached import Reached, Sought
from ragtrace.store._reader import FlowFilter
from ragtrace.store._rows import DecisionRow, FlowEdge, FlowRow, HourRow, SaidRow, Stats
from ragtrace.store._shreds import Gone
from ragtrace.store._traces import Trace, TraceRow

__all__ = ["Seen"]

_ALL: Final = FlowFilter()


class Seen:
    """A ``Reader`` over a store's questions, each asked as the same caller."""

    def __init__(self, store: Questions, access: Access) -> None:
        self._store = store
        self._access = access

    def flows(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[FlowRow]:
        """The newest flows, newest first."""
        return self._store.flows(where, limit, after=after, access=self._access)

    def decisions(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[DecisionRow]:
        """The newest decisions, one a step, newest first."""
        return self._store.decisions(where, limit, after=after, access=self._access)

    def traces(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[TraceRow]:
        """The newest traces, newest first."""
        return self._store.traces(where, limit, after=after, access=self._access)

    def edges(self, where: FlowFilter = _ALL) -> list[FlowEdge]:
        """The flow map: source, level, audience, stage and action, with counts."""
        return self._store.edges(where, access=self._access)

    def trace(self, trace_id: str) -> Trace:
        """One trace, by its id or a prefix that only it has."""
        return self._store.trace(trace_id, access=self._access)

    def reach(self, sought: Sought, limit: int = REACH_LIMIT) -> Reached:
        """Every flow of what is sought, and of what was made of it."""
        return self._store.reach(sought, limit, access=self._access)

    def hours(self, where: FlowFilter = _ALL) -> list[HourRow]:
        """Flows of each level in each hour, the earliest first."""
        return self._store.hours(where, access=self._access)

    def said(self, what: str, limit: int = 50, *, where: FlowFilter = _ALL) -> list[SaidRow]:
        """The newest model calls with these words in a text, newest first."""
        return self._store.said(what, limit, where=where, access=self._access)

    def texts(self, digests: Iterable[str]) -> dict[str, str]:
        """The texts that are kept, by digest."""
        return self._store.texts(digests, access=self._access)

    def chained(self, trace_id: str) -> list[ChainedStep]:
        """Where the decisions of a trace are in the chains."""
        return self._store.chained(trace_id, access=self._access)

    def heads(self) -> list[Head]:
        """The newest head of each chain."""
        return self._store.heads(access=self._access)

    def gone(self, digests: Iterable[str]) -> dict[str, Gone]:
        """What became of texts that were kept and do not open, by digest."""
        return self._store.gone(digests, access=self._access)

    def judged(
        self, judging: Judging, settled: Sequence[str], where: FlowFilter = _ALL
    ) -> list[JudgedRow]:
        """How many flows of each sort there are under ``judging``."""
        return self._store.judged(judging, settled, where, access=self._access)

    def judged_sample(
        self,
        judging: Judging,
        settled: Sequence[str],
        where: FlowFilter = _ALL,
        *,
        limit: int,
        every: int,
        seed: int,
    ) -> list[JudgedFlow]:
        """Some flows at random, each with what ``judging`` decides about it."""
        return self._store.judged_sample(
            judging, settled, where, limit=limit, every=every, seed=seed, access=self._access
        )

    def judged_kinds(
        self, settled: Sequence[str], where: FlowFilter = _ALL
    ) -> list[tuple[JudgedRow, FlowKind]]:
        """The kinds of flows that there are, to be judged elsewhere."""
        return self._store.judged_kinds(settled, where, access=self._access)

    def stats(self) -> Stats:
        """How much is stored."""
        return self._store.stats(access=self._access)

    def close(self) -> None:
        """Let go of the engine."""
        self._store.close()
