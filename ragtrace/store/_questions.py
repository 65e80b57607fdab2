"""Questions: the reading half of a store; every answer is what one caller may see of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store import _narrow, _pages
from ragtrace.store import _queries as sql
from ragtrace.store._access import OWNER, Access
from ragtrace.store._chained import ChainedStep, chained_steps, last_heads
from ragtrace.store._days import Days
from ragtrace.store._engine import Engine
from ragtrace.store._entries import Head
from ragtrace.store._fields import in_fields
from ragtrace.store._hops import Walk
from ragtrace.store._judged import (
    FlowKind,
    JudgedFlow,
    JudgedRow,
    Judging,
    judged,
    judged_kinds,
    judged_sample,
)
from ragtrace.store._lists import Ask, newest, newest_traces
from ragtrace.store._pages import Place
from ragtrace.store._reached import Reached, Sought
from ragtrace.store._reader import FlowFilter
from ragtrace.store._readings import READINGS, Reading, Readings
from ragtrace.store._rows import (
    DecisionRow,
    FlowEdge,
    FlowRow,
    HourRow,
    SaidRow,
    Stats,
    flow_of,
    frozen,
)
from ragtrace.store._sayings import asked_for, find
from ragtrace.store._scope import scoped
from ragtrace.store._shreds import Gone
from ragtrace.store._texts import gone, texts
from ragtrace.store._traces import SpanRow, Trace, TraceRow
from ragtrace.store._vault import Vault

__all__ = ["REACH_LIMIT", "Questions", "TraceNotFoundError"]

REACH_LIMIT: Final = 100_000
"""Rows of one answer; a document that reached more is asked for by period or by edges."""
PREFIX_DIGITS: Final = 4
"""Shortest prefix of a trace id: fewer digits would hardly ever name one trace."""

_TRACE_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_ALL: Final = FlowFilter()


class TraceNotFoundError(StoreError):
    """No trace, or more than one, has this id or prefix."""


class Questions:
    """What can be asked of the engine; whoever asks says as whom, and nobody is the default."""

    def __init__(self, engine: Engine, vault: Vault | None, version: int) -> None:
        self._engine = engine
        self._vault = vault
        self._version = version
        self._days = Days()
        self._readings = Readings(engine)

    def close(self) -> None:
        """Let go of the engine and the keyring."""
        self._engine.close()
        if self._vault is not None:
            self._vault.close()

    def flows(
        self,
        where: FlowFilter = _ALL,
        limit: int = 1000,
        *,
        after: Place | None = None,
        access: Access,
    ) -> list[FlowRow]:
        """Give the newest flows that pass ``where``, newest first, at most ``limit``.

        Args:
            where: Which.
            limit: How many.
            after: Behind which row to begin, the last of the page before.
            access: Who asks.
        """
        narrowed = (_narrow.of_flows(where), where.as_params())
        ask = self._as(access, "flows")
        return _flows(newest(ask, "flows", _pages.FLOWS, narrowed, after, limit))

    def decisions(
        self,
        where: FlowFilter = _ALL,
        limit: int = 1000,
        *,
        after: Place | None = None,
        access: Access,
    ) -> list[DecisionRow]:
        """Give the newest decisions, one a step, as ``flows`` gives flows.

        A source, document or level in ``where`` is of a flow that the decision was about.
        """
        narrowed = (_narrow.of_decisions(where), where.as_params())
        ask = self._as(access, "decisions")
        rows = newest(ask, "decisions", _pages.DECISIONS, narrowed, after, limit)
        return [DecisionRow(*row) for row in rows]

    def traces(
        self,
        where: FlowFilter = _ALL,
        limit: int = 1000,
        *,
        after: Place | None = None,
        access: Access,
    ) -> list[TraceRow]:
        """Give the newest traces, by their first span in the period, as ``flows`` gives flows.

        ``service`` and the period in ``where`` are of spans; anything else is of a flow that the
        trace must have.
        """
        return newest_traces(self._as(access, "traces"), where, after, limit)

    def edges(self, where: FlowFilter = _ALL, *, access: Access) -> list[FlowEdge]:
        """Give the flow map: source, level, audience, stage, action and mode, with counts."""
        ask = self._as(access, "edges")
        rows = self._days.count(ask, sql.EDGES, where, access)
        return [FlowEdge(*(*row[:-1], tuple(sorted(row[-1].items())))) for row in rows]

    def hours(self, where: FlowFilter = _ALL, *, access: Access) -> list[HourRow]:
        """Give how many flows of each level there were in each hour, the earliest first."""
        ask = self._as(access, "hours")
        return [HourRow(*row) for row in self._days.count(ask, sql.HOURS, where, access)]

    def trace(self, trace_id: str, *, access: Access) -> Trace:
        """Give one trace, by its id or by a prefix of at least 4 digits that only it has.

        Raises:
            TraceNotFoundError: No trace, or more than one, begins so.
        """
        whole = self._whole_id(trace_id.strip().lower(), access)
        rows = self._rows("trace", sql.TRACE_SPANS, {"trace_id": whole}, access)
        if not rows:
            raise TraceNotFoundError(f"no trace has the id {whole}")
        spans = sorted((SpanRow(*row) for row in rows), key=lambda s: (s.start_ns, s.span_id))
        period = {"first": spans[0].start_ns, "last": spans[-1].start_ns}
        flows = self._rows("trace", sql.TRACE_FLOWS, {"trace_id": whole, **period}, access)
        told = {(span.span_id, span.start_ns) for span in spans}  # by the rows that count
        found = [flow for flow in _flows(flows) if (flow.span_id, flow.time_ns) in told]
        return Trace(whole, tuple(spans), tuple(found))

    def reach(self, sought: Sought, limit: int = REACH_LIMIT, *, access: Access) -> Reached:
        """Give every flow of what is sought, and of what was made of it, hop by hop.

        Args:
            sought: What.
            limit: At most so many rows.
            access: Who asks; what he may not see is not followed either.
        """
        if sought.is_nothing:
            return Reached((), True)
        return Walk(self._as(access, "reach"), sought, limit).answer()

    def texts(self, digests: Iterable[str], *, access: Access) -> dict[str, str]:
        """Give the texts that open among ``digests``; ``gone`` says what became of the others.

        That they were read is on record before they are given.

        Raises:
            StoreError: The store was opened without the key, or the reading cannot be recorded.
        """
        return texts(self, digests, access)

    def gone(self, digests: Iterable[str], *, access: Access) -> dict[str, Gone]:
        """Say of each text among ``digests`` that was kept, and does not open, why not.

        Raises:
            StoreError: The store was opened without the key.
        """
        return gone(self, digests, access)

    def readings(self, since: int = 0, limit: int = 1000, *, access: Access) -> list[Reading]:
        """Give the newest readings of texts, newest first, to who may see everything.

        Args:
            since: Nanoseconds since the epoch, inclusive.
            limit: How many.
            access: Who asks.
        """
        rows = self._rows("readings", READINGS, {"since": since, "limit": limit}, access)
        return [Reading(*map(frozen, row)) for row in rows]

    def said(
        self, what: str, limit: int = 50, *, where: FlowFilter = _ALL, access: Access
    ) -> list[SaidRow]:
        """Give the newest model calls with all the words ``what`` in one text, newest first.

        A text is a passage that was found in the prompt, the rest of the prompt, or the
        completion; only texts that the caller may read are looked at.

        Raises:
            StoreError: There is no word in ``what``, or too many, or the store was opened
                without the key.
        """
        asked = asked_for(what)
        if self._vault is None:
            raise StoreError("store: the texts are sealed, and it was opened without the key")
        ask = self._as(access, "words")

        def opened(digests: Iterable[str]) -> dict[str, str]:
            return self.texts(digests, access=access)

        return find(ask, opened, self._vault.words, asked, where, limit)

    def chained(self, trace_id: str, *, access: Access) -> list[ChainedStep]:
        """Say where the decisions of a trace are in the chains, by its whole id."""
        return chained_steps(self, trace_id, access)

    def heads(self, *, access: Access) -> list[Head]:
        """Give the newest head of each chain: how far it is sealed."""
        return last_heads(self, access)

    def judged(
        self, judging: Judging, settled: Sequence[str], where: FlowFilter = _ALL, *, access: Access
    ) -> list[JudgedRow]:
        """Give how many flows of each sort there are under ``judging``; see ``judged``."""
        return judged(self._as(access, "whatif"), judging, settled, where)

    def judged_sample(
        self,
        judging: Judging,
        settled: Sequence[str],
        where: FlowFilter = _ALL,
        *,
        limit: int,
        every: int,
        seed: int,
        access: Access,
    ) -> list[JudgedFlow]:
        """Give some flows at random, each with what ``judging`` decides about it."""
        ask = self._as(access, "whatif")
        return judged_sample(ask, judging, settled, where, limit=limit, every=every, seed=seed)

    def judged_kinds(
        self, settled: Sequence[str], where: FlowFilter = _ALL, *, access: Access
    ) -> list[tuple[JudgedRow, FlowKind]]:
        """Give the kinds of flows that there are, to be judged elsewhere."""
        return judged_kinds(self._as(access, "whatif"), settled, where)

    def stats(self, *, access: Access) -> Stats:
        """Count what is stored; a pass over everything, so not for every request."""
        (row,) = self._rows("stats", sql.STATS, {}, access)
        return Stats(*(*row, self.broken_parts(), self._version))

    def broken_parts(self) -> int:
        """Count the parts that the engine set aside as damaged, which it does silently."""
        return int(self._rows("health", sql.BROKEN_PARTS, {}, OWNER)[0][0])

    def _whole_id(self, prefix: str, access: Access) -> str:
        if not _TRACE_ID.fullmatch(prefix) or len(prefix) < PREFIX_DIGITS:
            raise TraceNotFoundError(f"trace id: expected {PREFIX_DIGITS} to 32 hexadecimal digits")
        if len(prefix) == 32:
            return prefix
        found = self._rows("trace", sql.TRACE_IDS, {"prefix": prefix}, access)
        if len(found) != 1:
            number = "more than one trace begins" if found else "no trace begins"
            raise TraceNotFoundError(f"{number} with {prefix}")
        return str(found[0][0])

    def _as(self, access: Access, what: str) -> Ask:
        """Statements about ``what``, run as one caller."""
        return lambda query, parameters: self._rows(what, query, parameters, access)

    def _rows(
        self,
        what: str,
        query: str,
        parameters: Mapping[str, Any],
        access: Access,
        **options: Any,
    ) -> list[tuple[Any, ...]]:
        replaces = access.tenants is None or self._replaces_spans
        query, of_access = scoped(query, access, replaces_spans=replaces)
        asked = {**parameters, **of_access}
        if self._engine.address.path is None:
            query, asked = in_fields(query, asked)
        with self._engine.reading(f"store: {what}") as client:
            rows: list[tuple[Any, ...]] = list(
                client.query(query, parameters=asked, **options).result_rows
            )
        return rows

    @cached_property
    def _replaces_spans(self) -> bool:
        """Whether the table of spans is ours, in which a newer version replaces a row."""
        return bool(self._rows("spans", sql.SPANS_REPLACED, {}, OWNER))

    def _unseal(self, row: tuple[Any, ...]) -> str:
        digest, kind, level, key, sealed = row
        if self._vault is None:
            raise StoreError("store: the texts are sealed, and it was opened without the key")
        return self._vault.open(sealed, digest=digest, kind=kind, level=level, key=key)


def _flows(rows: Iterable[Sequence[Any]]) -> list[FlowRow]:
    return [flow_of(row) for row in rows]
