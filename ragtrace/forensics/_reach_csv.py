"""Reach as CSV: a line for each flow that was reached, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from ragtrace.forensics._outcome import outcome
from ragtrace.forensics._reach import Reach
from ragtrace.store import ReachedFlow, ReachRow

__all__ = ["reach_csv"]

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With one of these a cell begins that a spreadsheet would run (OWASP, CSV injection)."""

_OF_ROWS: Final[dict[str, Callable[[ReachRow], object]]] = {
    "time": lambda row: _moment(row.flow.time_ns),
    "hop": lambda row: row.hop,
    "by": lambda row: " ".join(row.by),
    "grade": lambda row: row.grade,
    "outcome": lambda row: outcome(row.flow),
}
_OF_FLOWS: Final[dict[str, Callable[[ReachedFlow], object]]] = {
    "stage": lambda flow: flow.stage,
    "audience": lambda flow: flow.audience,
    "clearance": lambda flow: flow.clearance,
    "tenant": lambda flow: flow.tenant,
    "session": lambda flow: flow.session,
    "user": lambda flow: flow.user,
    "app": lambda flow: flow.service,
    "model": lambda flow: flow.model,
    "document": lambda flow: flow.document,
    "chunk": lambda flow: flow.chunk_id,
    "digest": lambda flow: flow.digest,
    "source": lambda flow: flow.source,
    "level": lambda flow: flow.level,
    "verdict": lambda flow: flow.verdict,
    "decision": lambda flow: flow.action,
    "rule": lambda flow: flow.rule,
    "mode": lambda flow: flow.mode,
    "prompt": lambda flow: flow.prompt_digest,
    "completion": lambda flow: flow.completion_digest,
    "trace": lambda flow: flow.trace_id,
    "span": lambda flow: flow.span_id,
}


def reach_csv(found: Reach) -> Iterator[str]:
    """Give the lines, as RFC 4180 has them, the names of the columns first.

    A cell that a spreadsheet would take for a formula begins with an apostrophe instead. The last
    column is the path: of each hop the trace and span that made the text, the text's digest, how
    surely that has what was asked for, and how surely the text before was in that prompt.
    """
    yield _line([*_OF_ROWS, *_OF_FLOWS, "path"])
    for row in found.rows:
        own = [read(row) for read in _OF_ROWS.values()]
        yield _line([*own, *(read(row.flow) for read in _OF_FLOWS.values()), _path(row)])


def _path(row: ReachRow) -> str:
    return " > ".join(
        f"{link.trace_id or 'origin'}/{link.span_id or 'recorded'} {link.digest} "
        f"{link.evidence} {link.verdict or 'unknown'}"
        for link in row.path
    )


def _line(values: list[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_defused(str(value)) for value in values])
    return out.getvalue()


def _defused(text: str) -> str:
    text = text.replace("\0", "")
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) or text.startswith(_FORMULAS) else text


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
