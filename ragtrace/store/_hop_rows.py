"""Hop rows: what the statements of reach find, each flow that counts once, with its step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.store import _hop_sql as hop_sql
from ragtrace.store._lists import Ask
from ragtrace.store._reached import Matched, ReachedFlow

__all__ = ["HopRow", "HopRows", "Statement"]

MOST_MOMENTS: Final = 5_000
"""Moments of one statement, of 20 characters each."""
AT_ONCE: Final = 2
"""Statements of one answer that run beside each other: each is of small reads, which the engine
does one after another. Of 239 ms it takes 20, where two cores are one."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One of ``_hop_sql`` with its conditions filled in.

    Attributes:
        parameters: All but the limit.
        recorded: Whether what it finds is reached for its origins alone.
    """

    query: str
    parameters: Mapping[str, Any]
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class HopRow:
    """A flow that a statement found.

    Attributes:
        span: Hash of its step.
        matched: What the name asked for is of it; ``None`` where it is not of the very text.
        origins: Those of its recorded origins that are asked for.
        texts: Digests that are asked for from now on.
    """

    flow: ReachedFlow
    span: int
    matched: Matched | None
    origins: Sequence[Mapping[str, Any]]
    texts: Sequence[str]


class HopRows:
    """Reads rows for one answer, and what steps tell of them once for each step.

    Args:
        ask: Asks as the caller.
        limit: Rows of the answer.
    """

    def __init__(self, ask: Ask, limit: int) -> None:
        self._ask, self._limit = ask, limit
        self._steps: dict[tuple[int, int], Row] = {}

    def read(self, *statements: Statement) -> list[Iterable[HopRow]]:
        """The rows that count of each, and where there are as many, one more than the limit.

        A row may come twice, and of a step that was told again since the rows from before do not
        count: where that leaves too few, more are asked for.
        """
        limit = self._limit + 1
        found = self._beside((one.query, {**one.parameters, "limit": limit}) for one in statements)
        self._read_steps({row[0] for rows in found for row in rows})
        return [self._enough(one, rows) for one, rows in zip(statements, found, strict=True)]

    def _enough(self, statement: Statement, rows: list[Row]) -> Iterable[HopRow]:
        limit = self._limit + 1
        while True:
            counting = self._counting(rows)
            if len(rows) < limit or len(counting) > self._limit:
                return counting.values()
            limit *= 2
            rows = self._ask(statement.query, {**statement.parameters, "limit": limit})
            self._read_steps({row[0] for row in rows})

    def _counting(self, rows: Iterable[Row]) -> dict[Row, HopRow]:
        counting: dict[Row, HopRow] = {}
        for *columns, edge, span, version, matched, origins, texts in rows:
            newest, *told = self._steps.get((columns[0], span), (None,))
            if newest == version:
                flow = ReachedFlow(*columns, *edge, *told)
                key = flow.time_ns, span, flow.ordinal
                counting[key] = HopRow(flow, span, matched, origins, texts)
        return counting

    def _read_steps(self, moments: set[int]) -> None:
        """Read what the flows of each step share, of steps that were not met before."""
        new = sorted(moments - {moment for moment, _ in self._steps})
        size = min(MOST_MOMENTS, -(-len(new) // AT_ONCE)) or 1
        parts = [new[start : start + size] for start in range(0, len(new), size)]
        for rows in self._beside((hop_sql.STEPS, {"moments": part}) for part in parts):
            for moment, span, version, (*told, refused) in rows:
                if version >= self._steps.get((moment, span), (0,))[0]:
                    self._steps[moment, span] = (version, *told, bool(refused))

    def _beside(self, asked: Iterable[tuple[str, Mapping[str, Any]]]) -> list[list[Row]]:
        """The answers to several statements, which do not depend on each other, in their order."""
        asked = list(asked)
        if len(asked) < AT_ONCE:
            return [self._ask(*one) for one in asked]
        with ThreadPoolExecutor(AT_ONCE, "ragtrace-reach") as pool:
            return list(pool.map(lambda one: self._ask(*one), asked))
