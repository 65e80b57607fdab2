"""Reader and what a writer takes: the store's contracts, as shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from ragtrace.store._rows import DecisionRow, FlowEdge, FlowRow, HourRow, SaidRow, Stats
from ragtrace.store._shreds import Gone
from ragtrace.store._traces import Trace, TraceRow

if TYPE_CHECKING:
    from ragtrace.store._chained import ChainedStep
    from ragtrace.store._entries import Head
    from ragtrace.store._pages import Place
    from ragtrace.store._reached import Reached, Sought

__all__ = ["ContentLike", "FlowFilter", "Reader", "SpanLike"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFilter:
    """Which flows: every field that is set must hold.

    Attributes:
        since: Nanoseconds since the epoch, inclusive.
        until: Nanoseconds since the epoch, exclusive.
    """

    since: int | None = None
    until: int | None = None
    audience: str | None = None
    source: str | None = None
    document: str | None = None
    level: str | None = None
    action: str | None = None
    service: str | None = None
    stage: str | None = None
    session: str | None = None
    user: str | None = None
    rule: str | None = None
    tenant: str | None = None

    def as_params(self) -> dict[str, str | int]:
        """Give the fields that are set."""
        return {
            name.name: value
            for name in fields(self)
            if (value := getattr(self, name.name)) is not None
        }


class SpanLike(Protocol):
    """What a writer asks of a span; ``ragtrace.wire.SpanRecord`` and ``SpanRow`` have it."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def parent_span_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def status_message(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def resource(self) -> Mapping[str, str]: ...


class ContentLike(Protocol):
    """What a writer asks of a text; ``ragtrace.wire.ContentRecord`` has it."""

    @property
    def digest(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def subject(self) -> str: ...


class Reader(Protocol):
    """What can be asked; the store answers, and so does a client of a running server."""

    def flows(
        self, where: FlowFilter = ..., limit: int = ..., *, after: Place | None = ...
    ) -> list[FlowRow]:
        """The newest flows, newest first, behind a row that was given before."""

    def decisions(
        self, where: FlowFilter = ..., limit: int = ..., *, after: Place | None = ...
    ) -> list[DecisionRow]:
        """The newest decisions, one a step, newest first."""

    def traces(
        self, where: FlowFilter = ..., limit: int = ..., *, after: Place | None = ...
    ) -> list[TraceRow]:
        """The newest traces, newest first."""

    def edges(self, where: FlowFilter = ...) -> list[FlowEdge]:
        """The flow map: source, level, audience, stage and action, with counts."""

    def hours(self, where: FlowFilter = ...) -> list[HourRow]:
        """How many flows of each level there were in each hour, the earliest first."""

    def said(self, what: str, limit: int = ..., *, where: FlowFilter = ...) -> list[SaidRow]:
        """The newest model calls with these words in a text, newest first."""

    def trace(self, trace_id: str) -> Trace:
        """One trace, by its id or a prefix that only it has."""

    def reach(self, sought: Sought, limit: int = ...) -> Reached:
        """Every flow of what is sought, and of what was made of it, the oldest first."""

    def texts(self, digests: Iterable[str]) -> dict[str, str]:
        """The texts that are kept, by digest."""

    def chained(self, trace_id: str) -> list[ChainedStep]:
        """Where the decisions of a trace are in the chains, by its whole id."""

    def heads(self) -> list[Head]:
        """The newest head of each chain: how far it is sealed."""

    def gone(self, digests: Iterable[str]) -> dict[str, Gone]:
        """What became of texts that were kept and do not open, by digest."""

    def stats(self) -> Stats:
        """How much is stored."""

    def close(self) -> None:
        """Let go of the engine or the connection."""
