"""Bench: the questions of an incident, cold and warm, over stores of growing size."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ragtrace.errors import StoreError
from ragtrace.forensics import Candidate, reach, replay, trace, what_if
from ragtrace.policy import parse_policy
from ragtrace.store import OWNER, FlowFilter, Seen, Store
from ragtrace.testing.bench import Listener, Row, Silent
from ragtrace.testing.ingest._bodies import span_ids, trace_body
from ragtrace.testing.ingest._workload import make_call
from ragtrace.testing.store import FIRST_NS, PERIOD_NS, fill, settle, trace_id
from ragtrace.wire import decode_traces

__all__ = ["FULL", "QUICK", "Effort", "measure"]

FLOWS_PER_SPAN: Final = 5
"""What 3 to 7 documents come to, without the answers among them."""
KEY: Final = bytes(32)
PROTOBUF: Final = "application/x-protobuf"
HOT: Final = "kb/articles/doc-0.md"
"""The document that most flows are of: one of sixteen."""
ORDINARY: Final = "kb/articles/doc-1000.md"
"""One whose place among 50,000 is the thousandth: of 10 million flows it has some thousand."""
RARE: Final = "kb/articles/doc-30000.md"
HOUR_NS: Final = 3600 * 10**9
BARS: Final = {"reach": 300.0, "trace": 150.0, "whatif": 15_000.0}
"""Milliseconds, each warm, over 10 million flows."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        sizes: Flows of each store, the smallest first.
        times: How often each question is asked warm.
        keep: Where the stores stay, each in a directory of its own; one that is there already is
            asked as it is. Without it they are gone afterwards.
    """

    sizes: tuple[int, ...]
    times: int
    keep: Path | None = None

    @classmethod
    def up_to(cls, flows: int, times: int, keep: Path | None = None) -> Effort:
        """Stores of ``flows``, of a tenth and of a hundredth of that."""
        sizes = sorted({max(LEAST, flows // 100), max(LEAST, flows // 10), max(LEAST, flows)})
        return cls(tuple(sizes), times, keep)


LEAST: Final = 5_000
"""Flows of a store: with fewer, hardly any question finds something."""

FULL: Final = Effort.up_to(10_000_000, times=7)
"""The stores take about a quarter of an hour to fill and 6 GB."""

QUICK: Final = Effort.up_to(300_000, times=3)
"""A minute or two, for a look while working."""

Ask = Callable[[Seen], object]


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is asked.

    Attributes:
        kind: Under which its bar stands.
    """

    kind: str
    name: str
    ask: Ask


def measure(effort: Effort, listener: Listener | None = None) -> Iterator[Row]:
    """The rows of every size, the smallest first.

    The process has no other store open: the engine takes one directory.

    Raises:
        StoreError: A store cannot be filled, or one to keep is another one.
    """
    listener = listener or Silent()
    for flows in effort.sizes:
        with tempfile.TemporaryDirectory(prefix="ragtrace-bench-") as folder:
            home = Path(folder) if effort.keep is None else effort.keep / f"flows-{flows}"
            yield from _measured(home, flows, effort.times, listener)


def _measured(home: Path, flows: int, times: int, listener: Listener) -> Iterator[Row]:
    section, spans = f"{flows:,} flows", max(1000, flows // FLOWS_PER_SPAN)
    home.mkdir(parents=True, exist_ok=True)
    _filled(home, spans, listener)
    with Store.open(str(home), KEY) as store:
        stats = store.stats(access=OWNER)
        yield Row(section, "the store", "flows", stats.flows, "")
        yield Row(section, "the store", "on disk", stats.bytes_on_disk / stats.spans, "B a span")
        questions = _questions(spans)
        for place, question in enumerate(questions):
            listener.progress(section, place, len(questions))
            bar = BARS.get(question.kind)
            cold, warm = _times(store, home, question.ask, times)
            yield Row(section, question.name, "cold", cold, "ms")
            yield Row(section, question.name, "warm, median", warm, "ms", bar)


def _filled(home: Path, spans: int, listener: Listener) -> None:
    """Fill the store in a process of its life: what filling left in memory is gone when asked."""
    with Store.open(str(home), KEY) as store:
        there = store.stats(access=OWNER).spans
        if not there:
            fill(
                store,
                spans,
                lambda done: listener.progress("filling the store", done, spans),
                derived=True,
                texts=False,
            )
            settle(store)
            call = make_call(0)
            store.write(decode_traces(trace_body([call]), PROTOBUF), call.texts)
        elif there != spans + 1:
            raise StoreError(f"bench: {home}: expected a store of {spans} spans, found {there - 1}")


def _questions(spans: int) -> Sequence[Question]:
    month = FlowFilter(since=FIRST_NS, until=FIRST_NS + PERIOD_NS + HOUR_NS)
    middle = trace_id(spans // 4)
    whole = span_ids(make_call(0))[0].hex()
    candidate = Candidate(parse_policy(POLICY, "candidate.yaml"), "candidate.yaml")
    return [
        Question("reach", "reach, ordinary document", lambda r: reach(r, ORDINARY)),
        Question("reach", "reach, rare document", lambda r: reach(r, RARE)),
        Question("", "reach, hot document, first 1,000", lambda r: reach(r, HOT, 1000)),
        Question("", "reach, one source, first 1,000", lambda r: reach(r, SOURCE, 1000)),
        Question("", "reach, ordinary document, the month", lambda r: _within(r, month)),
        Question("trace", "trace", lambda r: trace(r, middle)),
        Question("", "replay, a prompt with its texts", lambda r: replay(r, whole, candidate)),
        Question("whatif", "whatif, all flows", lambda r: what_if(r, candidate)),
    ]


POLICY: Final = b"""
version: 1
levels: [public, partner, internal, staff_only, secret, restricted]
audiences:
  customer: {clearance: public}
  partner: {clearance: partner}
  staff: {clearance: staff_only}
  auditor: {clearance: secret}
rules:
  - {id: one-document, when: {document: kb/articles/doc-7.md}, decide: block}
  - {id: one-source, when: {source: chroma/collection-3, audience: customer}, decide: drop}
  - {id: some-sources, when: {source: "chroma/collection-1?", label: secret}, decide: redact}
  - {id: notes, when: {label: staff_only, audience: [customer, partner]}, decide: context_only}
otherwise: block
"""
"""Of the size of a real one: by document, by source, by glob and by label."""

SOURCE: Final = "chroma/collection-1"


def _within(reader: Seen, month: FlowFilter) -> object:
    return reach(reader, ORDINARY, where=month)


def _times(store: Store, home: Path, ask: Ask, times: int) -> tuple[float, float]:
    """Milliseconds of the first time, with nothing in any cache, and the median of those after."""
    _cool(store, home)
    reader = store.seen_by(OWNER)
    taken = []
    for _ in range(1 + times):
        begun = time.perf_counter()
        ask(reader)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken[0], statistics.median(taken[1:])


def _cool(store: Store, home: Path) -> None:
    """Empty the engine's caches and, as far as the system lets anybody, its own of these files."""
    with store._engine.writing("bench: cool") as client:
        for what in ("MARK", "UNCOMPRESSED", "INDEX MARK", "INDEX UNCOMPRESSED", "QUERY"):
            client.command(f"SYSTEM DROP {what} CACHE")
    if not hasattr(os, "posix_fadvise"):
        return
    for path in home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _let_go(path)


def _let_go(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return  # merged away meanwhile
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
