"""Settle: a trace of another tracer comes in pieces, to several servers; in the end it is one.

The flows of a trace are a function of the steps that are stored of it. Whoever has stored one
of them derives them again some seconds later from all that is there, and writes what differs.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from ragtrace.errors import WireError
from ragtrace.server._adopt import Adopter
from ragtrace.server._beside import Beside
from ragtrace.server._derive import Derived, derive, texts
from ragtrace.server._step import Step, texts_of
from ragtrace.server._window import Known, who
from ragtrace.store import (
    OWNER,
    FlowRow,
    SpanRow,
    Store,
    Trace,
    TraceNotFoundError,
    adopted_traces,
    filed,
    forget_raw,
    own_steps,
    raw_traces,
    withdraw,
    withdraw_texts,
)
from ragtrace.wire import ContentRecord, Rope, SpanRecord, names

__all__ = ["Settler", "adopt_stored", "settle"]

DELAYS: Final = (8.0, 60.0, 600.0)
"""Seconds until a trace is settled, and again while spans of it are missing. Exporters send every
five seconds; a collector or a spool on the way takes longer, and after ten minutes the rest of a
trace is hardly ever to come."""

WAITING: Final = 20_000
"""Traces that wait at most, some 5 MB. Of more, the newest are left out, counted, and settled at
the next start if that is soon."""

AT_START_SECONDS: Final = 900
"""How far back a server looks at its start: what was waiting when the last one ended."""

DRAIN_SECONDS: Final = 20.0
"""How long closing takes at most: less than the server's own grace."""

TRACES_AT_ONCE: Final = 200
"""Traces adopted from the store between two removals of what they were."""

_log: Final = logging.getLogger("ragtrace.server")


@dataclass(frozen=True, slots=True)
class _Read:
    """A trace as it is stored, its steps, and what ragtrace told at the same time."""

    trace: Trace
    spans: Sequence[SpanRecord]
    steps: Sequence[Step]
    beside: Beside


def settle(store: Store, adopter: Adopter, trace_id: str) -> bool:
    """Derive the flows of a trace from all that is stored of it, and write what differs.

    Returns:
        Whether all of the trace is there, as far as can be told.

    Raises:
        StoreError: The store cannot be read or written, or has no such trace.
    """
    read = _read(store, adopter, store.trace(trace_id, access=OWNER))
    whole = Known(spans={span.span_id: span for span in read.spans}).is_whole
    told = derive(adopter.policy, read.steps, len(read.spans), who(read.spans), read.beside)
    if not all(step.whole for step in read.steps):  # without their texts nothing is found anew
        retrievals = {step.span.span_id for step in read.steps if step.is_retrieval}
        told = {name: one for name, one in told.items() if name in retrievals}
    changed, contents = _changes(read, told)
    known = filed(store, {one.digest for one in contents})
    contents = [one for one in contents if (one.digest, one.level) not in known]
    if changed or contents:
        store.write(changed, contents)
    withdraw(store, _stale(read, told))
    for digest, level in known & _too_free(adopter, read, told):
        withdraw_texts(store, [digest], level)
    return whole


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
            spans = [_record(row) for row in store.trace(trace_id, access=OWNER).spans]
            made, contents = adopter.adopt(spans)
            changed = [new for old, new in zip(spans, made, strict=True) if new != old]
            if changed:
                store.write(changed, contents)
                settle(store, adopter, trace_id)
            done += [span.span_id for span in changed]
            progress(place, len(waiting))
        if done:
            forget_raw(store, some, done)
        adopted += len(done)
    return adopted


def _record(row: SpanRow) -> SpanRecord:
    return SpanRecord(**{field.name: getattr(row, field.name) for field in fields(row)})


def _read(store: Store, adopter: Adopter, trace: Trace) -> _Read:
    spans = [_record(row) for row in trace.spans]
    stored = [span for span in spans if names.STAGE in span.attributes]
    kept: dict[str, str] = {}
    if store.keeps_text:
        kept = store.texts(set().union(*map(texts_of, stored)), access=OWNER)
        prompts = [kept.get(span.attributes.get(names.PROMPT_DIGEST, "")) for span in stored]
        referred: set[str] = set().union(*map(_references, prompts))
        kept |= store.texts(referred - kept.keys(), access=OWNER)
    remembered = adopter.recall(trace.trace_id)
    steps = []
    for span in stored:
        step = Step.of(span, kept)
        steps.append(step if step.whole else remembered.get(span.span_id, step))
    return _Read(trace, spans, steps, _beside(store, spans))


def _beside(store: Store, spans: Sequence[SpanRecord]) -> Beside:
    first, last = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
    beside = Beside()
    beside.note(map(_record, own_steps(store, {s.service for s in spans}, first, last)))
    return beside


def _references(rope: str | None) -> set[str]:
    try:
        return Rope.from_json(rope).references if rope is not None else set()
    except WireError:
        return set()


def _changes(read: _Read, told: dict[str, Derived]) -> tuple[list[SpanRecord], list[ContentRecord]]:
    """Spans that differ from what is stored, and the texts of all."""
    stored = {span.span_id: span.attributes for span in read.spans}
    changed, contents = [], []
    for step in read.steps:
        name = step.span.span_id
        if name not in told:
            continue
        was, now = stored[name], told[name].span.attributes
        if _apart(was) != _apart(now):
            version = max(len(read.spans), _whole(was.get(names.OBSERVED, "")) + 1)
            said = {**now, names.OBSERVED: str(version)}
            changed.append(replace(told[name].span, attributes=said))
        contents += texts(step, told[name], told[name].level)
    return changed, contents


def _apart(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name != names.OBSERVED}


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _stale(read: _Read, told: dict[str, Derived]) -> list[FlowRow]:
    """Stored flows that no longer follow."""
    made = {
        (name, flow.chunk.document.id, flow.place)
        for name, one in told.items()
        if not one.duplicate
        for flow in one.flows
    }
    return [
        flow
        for flow in read.trace.flows
        if flow.span_id in told and (flow.span_id, flow.document, flow.ordinal) not in made
    ]


def _too_free(adopter: Adopter, read: _Read, told: dict[str, Derived]) -> set[tuple[str, str]]:
    """Digests of prompts and completions with a level below the one that now follows."""
    rank = adopter.policy.lattice.rank
    return {
        (span.attributes.get(name, ""), before)
        for span in read.spans
        if span.span_id in told
        and (before := span.attributes.get(names.PROMPT_LEVEL)) is not None
        and rank(before) < rank(told[span.span_id].level)
        for name in (names.PROMPT_DIGEST, names.COMPLETION_DIGEST)
    }


class Settler:
    """Settles the traces that it is told of, in one thread, some seconds later.

    Nothing waits for it. What fails is logged, counted and tried again.

    Args:
        store: Holds the traces.
        adopter: The one that adopted their spans.
        delays: Seconds to the first and every further time, while spans are missing.
    """

    def __init__(self, store: Store, adopter: Adopter, delays: Sequence[float] = DELAYS) -> None:
        self._store, self._adopter, self._delays = store, adopter, delays
        self._due: list[tuple[float, int, str, int]] = []
        self._queued: set[str] = set()
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.failed = 0
        """Times that settling a trace failed."""
        self.left_out = 0
        """Traces that were not settled because too many waited."""

    def start(self) -> None:
        """Begin, with the traces of the last minutes."""
        self._thread = threading.Thread(target=self._run, name="ragtrace-settle", daemon=True)
        self._thread.start()

    def note(self, spans: Iterable[SpanRecord]) -> None:
        """Settle the traces of these spans, which are stored by now, where they may hold more."""
        traces = {span.trace_id for span in spans if names.TRACER in span.attributes}
        for trace_id in [*filter(self._adopter.is_open, traces), *self._adopter.reopened()]:
            self._queue(trace_id, 0)

    def close(self) -> None:
        """Settle what is waiting, as far as there is time, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.drain(DRAIN_SECONDS)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Settle what is waiting now, each once."""
        end = time.monotonic() + seconds
        with self._changed:
            waiting = [trace_id for *_, trace_id, _ in sorted(self._due)]
            self._due.clear()
            self._queued.clear()
        for trace_id in waiting:
            if time.monotonic() > end:
                _log.warning("some of %d traces are settled at the next start", len(waiting))
                return
            self._settle(trace_id)

    def _queue(self, trace_id: str, time_around: int) -> None:
        with self._changed:
            if trace_id in self._queued or time_around >= len(self._delays):
                return
            if len(self._due) >= WAITING:
                self.left_out += 1
                return
            due = time.monotonic() + self._delays[time_around]
            heapq.heappush(self._due, (due, next(self._number), trace_id, time_around))
            self._queued.add(trace_id)
            self._changed.notify()

    def _run(self) -> None:
        self._queue_recent()
        while (next_one := self._next()) is not None:
            trace_id, time_around = next_one
            if not self._settle(trace_id):
                self._queue(trace_id, time_around + 1)

    def _next(self) -> tuple[str, int] | None:
        with self._changed:
            while not self._closed:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    _, _, trace_id, time_around = heapq.heappop(self._due)
                    self._queued.discard(trace_id)
                    return trace_id, time_around
                self._changed.wait(left)
            return None

    def _queue_recent(self) -> None:
        since = time.time_ns() - AT_START_SECONDS * 10**9
        try:
            recent = adopted_traces(self._store, since, WAITING)
        except Exception as error:
            self.failed += 1
            _log.warning("the last traces were not looked up: %s", type(error).__name__)
            return
        for trace_id in recent:
            self._queue(trace_id, 0)

    def _settle(self, trace_id: str) -> bool:
        """Whether nothing is left to do for the trace."""
        try:
            return settle(self._store, self._adopter, trace_id)
        except TraceNotFoundError:
            return False
        except Exception as error:
            self.failed += 1
            _log.warning("a trace was not settled: %s", type(error).__name__)
            return False
