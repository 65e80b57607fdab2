"""Adopt what is stored: spans that a Collector wrote, as other tracers send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ragtrace.server._adopt import Adopter
from ragtrace.server._settle import record_of, settle
from ragtrace.server._step import is_ours
from ragtrace.store import OWNER, Store, events_of, forget_raw, raw_traces
from ragtrace.wire import SpanEvent, SpanRecord, names

__all__ = ["adopt_stored"]

TRACES_AT_ONCE: Final = 200
"""Traces adopted from the store between two removals of what they were."""


def adopt_stored(
    store: Store,
    adopter: Adopter,
    since_ns: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Adopt the spans that were written to the store as other tracers send them.

    A Collector writes so. Their texts go to the vault, and what was in the table is removed.

    Args:
        store: Where they are, and stay.
        adopter: Reads and labels them.
        since_ns: Only traces with spans from then on, nanoseconds since the epoch.
        progress: Called with traces done and traces in all.

    Returns:
        How many spans were adopted.

    Raises:
        StoreError: The store cannot be read or written; doing it again goes on from there.
    """
    waiting = raw_traces(store, since_ns)
    adopted = 0
    for start in range(0, len(waiting), TRACES_AT_ONCE):
        some = waiting[start : start + TRACES_AT_ONCE]
        done: list[str] = []
        for place, trace_id in enumerate(some, start + 1):
            spans = _foreign(store, trace_id)
            made, contents = adopter.adopt(spans)
            changed = [new for old, new in zip(spans, made, strict=True) if new != old]
            if changed:
                store.write(changed, contents)
                settle(store, adopter, [trace_id])
            done += [span.span_id for span in changed]
            progress(place, len(waiting))
        if done:
            forget_raw(store, some, done)
        adopted += len(done)
    return adopted


def _foreign(store: Store, trace_id: str) -> list[SpanRecord]:
    """The spans of a trace as other tracers sent them, with their events."""
    rows = map(record_of, store.trace(trace_id, access=OWNER).spans)
    events = events_of(store, trace_id)
    return [
        replace(span, events=tuple(SpanEvent(*one) for one in events.get(span.span_id, ())))
        for span in rows
        if not is_ours(span) and names.OBSERVED not in span.attributes
    ]
