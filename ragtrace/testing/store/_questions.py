"""Questions: each timed warm over a full store, while a writer adds spans to it."""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store import OWNER, FlowFilter, Sought, Store
from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.store._material import (
    FIRST_NS,
    PERIOD_NS,
    WORD,
    fill,
    settle,
    trace_id,
)
from ragtrace.wire import SpanRecord

__all__ = ["measure_questions"]

FLOWS_PER_SPAN: Final = 5
"""What 3 to 7 documents come to."""
SPANS_PER_SECOND: Final = 500
BATCH: Final = 250
TIMES: Final = 7
HOUR_NS: Final = 3600 * 10**9
"""Behind the month: what arrives meanwhile is asked for too."""
SECTION: Final = "questions"
KEY: Final = bytes(32)
HOT: Final = "kb/articles/doc-0.md"
"""The document that most flows are of."""
RARE: Final = "kb/articles/doc-30000.md"

Question = tuple[str, Callable[[Store], object], float | None]


def measure_questions(flows: int, teller: Listener, keep: Path | None = None) -> list[Row]:
    """Fill a store with about ``flows`` flows, and time its questions while spans arrive.

    The process has no other store open: the engine takes one directory.

    Args:
        flows: How many.
        teller: Told how far it is.
        keep: Where the store is left; one that is there already, of as many flows, is asked as it
            is. Without it, the store is gone afterwards.
    """
    spans = max(1000, int(flows / FLOWS_PER_SPAN))
    with tempfile.TemporaryDirectory(prefix="ragtrace-bench-") as folder:
        with Store.open(str(keep or folder), KEY) as store:
            rows = _filled(store, spans, teller)
            with _arriving(store):
                for place, (name, ask, bar) in enumerate(_questions(spans)):
                    teller.progress("questions", place, len(_questions(spans)))
                    first, warm = _times(store, ask)
                    rows.append(Row(SECTION, name, "first", first, "ms"))
                    rows.append(Row(SECTION, name, "warm, median", warm, "ms", bar))
    return rows


def _filled(store: Store, spans: int, teller: Listener) -> list[Row]:
    stats = store.stats(access=OWNER)
    rows = []
    if not stats.spans:
        begun = time.perf_counter()
        fill(store, spans, lambda done: teller.progress("filling the store", done, spans))
        rows.append(
            Row(SECTION, "the store", "filled at", spans / (time.perf_counter() - begun), "spans/s")
        )
        teller.progress("merging days that are over", 0, 1)
        settle(store)
        stats = store.stats(access=OWNER)
    if stats.spans < spans:
        raise StoreError(f"bench: expected a store of {spans} spans to keep, found {stats.spans}")
    return [
        *rows,
        Row(SECTION, "the store", "flows", stats.flows, ""),
        Row(SECTION, "the store", "spans", stats.spans, ""),
        Row(SECTION, "the store", "on disk", stats.bytes_on_disk / stats.spans, "B a span"),
    ]


def _questions(spans: int) -> list[Question]:
    month = FlowFilter(since=FIRST_NS, until=FIRST_NS + PERIOD_NS + HOUR_NS)
    middle = trace_id(spans // 4)
    return [
        ("reach counts, hot document", lambda s: _edges(s, document=HOT), 100),
        ("reach counts, rare document", lambda s: _edges(s, document=RARE), 100),
        ("reach, 200 rows, hot document", lambda s: _reach(s, HOT, 200), None),
        ("one trace", lambda s: s.trace(middle, access=OWNER), 150),
        ("map, 30 days", lambda s: s.edges(month, access=OWNER), 500),
        ("hours by level, 30 days", lambda s: s.hours(month, access=OWNER), 300),
        ("a word, newest 50", lambda s: s.said(WORD, 50, access=OWNER), 300),
        ("a frequent word, newest 50", lambda s: s.said("word1", 50, access=OWNER), None),
        ("newest 100 flows", lambda s: s.flows(limit=100, access=OWNER), None),
    ]


def _reach(store: Store, document: str, limit: int) -> object:
    return store.reach(Sought(names=(document,)), limit, access=OWNER)


def _edges(store: Store, **where: Any) -> object:
    return store.edges(FlowFilter(**where), access=OWNER)


def _times(store: Store, ask: Callable[[Store], object]) -> tuple[float, float]:
    """Milliseconds of the first time, and the median of the times after it."""
    taken = []
    for _ in range(1 + TIMES):
        begun = time.perf_counter()
        ask(store)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken[0], statistics.median(taken[1:])


@contextmanager
def _arriving(store: Store) -> Iterator[None]:
    """Spans arrive for as long as this lasts."""
    over = threading.Event()
    thread = threading.Thread(target=_write, args=(store, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write(store: Store, over: threading.Event) -> None:
    number = 0
    begun = time.perf_counter()
    while not over.is_set():
        store.write([_span(number + place) for place in range(BATCH)])
        number += BATCH
        over.wait(max(0.0, begun + number / SPANS_PER_SECOND - time.perf_counter()))


def _span(number: int) -> SpanRecord:
    start = FIRST_NS + PERIOD_NS + number * 1_000_000
    flows = [
        {
            "ord": place,
            "id": f"chunk-{place}",
            "document": f"kb/articles/doc-{place}.md",
            "source": "chroma/collection-1",
            "level": "internal",
            "action": "allow",
        }
        for place in range(5)
    ]
    return SpanRecord(
        trace_id=f"{number + (1 << 120):032x}",
        span_id=f"{number + (1 << 60):016x}",
        parent_span_id="",
        name="chat model",
        kind="Client",
        service="bank-0",
        scope="ragtrace",
        start_ns=start,
        end_ns=start + 1000,
        attributes={
            "ragtrace.stage": "prompt",
            "ragtrace.audience": "customer",
            "ragtrace.flows": json.dumps(flows),
        },
        resource={"service.name": "bank-0"},
    )
