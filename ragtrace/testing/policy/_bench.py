"""Bench: one policy applied by several engines, in one process and in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ragtrace.errors import RagtraceError
from ragtrace.model import Audience, Chunk
from ragtrace.testing.bench import Listener, Row, Silent, Timed, interleaved
from ragtrace.testing.policy._engine import ENGINES, OURS, Engine, Judge, missing_engines
from ragtrace.testing.policy._workload import RULES, Workload, workload

__all__ = ["BAR_US", "FULL", "QUICK", "SIZES", "Effort", "check", "measure"]

BAR_US: Final = 10.0
"""Microseconds in which ten chunks are judged under fifty rules."""

JUDGED: Final = 10
"""Chunks of the cell with the bar: what a retriever brings."""

SIZES: Final = (JUDGED, 1, 100)

SEEN: Final = f"{OURS}, documents seen before"
NEW: Final = f"{OURS}, documents never seen"

KNOWN: Final = 20
"""Batches whose documents have been seen before: of ten chunks, two hundred documents."""

IN_A_ROW: Final = 10
"""Batches of a turn. The first finds the caches as another engine left them, the others do not."""

FEWEST: Final = 3
"""Turns of the slowest engine: of thirty batches a median can be taken."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts only: what is measured is the same at every effort.

    Attributes:
        turns: Of our own engine; slower ones take fewer.
        checked: Batches on which every engine has to say the same before it is timed.
    """

    turns: int
    checked: int


FULL: Final = Effort(turns=200, checked=50)
"""2,000 batches of each size by ours, 50 by the slowest: some fifteen seconds."""

QUICK: Final = Effort(turns=40, checked=10)
"""A few seconds, for a look while working."""


class _Batch(NamedTuple):
    """What a retriever brings for one request.

    Attributes:
        seen: Chunks whose documents, labels and audience have been judged before.
        new: Chunks of documents that nobody has seen.
    """

    seen: Sequence[Chunk]
    new: Sequence[Chunk]
    audience: Audience


def measure(effort: Effort, listener: Listener | None = None) -> Iterator[Row]:
    """How many times as long as ragtrace the others take, and then the times themselves.

    Raises:
        RagtraceError: An engine decides otherwise than ragtrace.
    """
    listener = listener or Silent()
    if missing_engines():
        listener.note(
            f"not compared with {', '.join(missing_engines())}: pip install 'ragtrace-otel[bench]'"
        )
    load = workload()
    judges, prepared = {}, []
    for engine in ENGINES:
        if not engine.installed:
            continue
        start = time.perf_counter()
        judges[engine] = engine.prepare(load.policy)
        judges[engine](load.chunks(JUDGED, -1), load.audience(-1))
        took = (time.perf_counter() - start) * 1e3
        prepared.append(Row("policy", f"preparing {RULES} rules", engine.name, took, "ms"))
        check(engine.name, judges[engine], load, effort.checked)
    ratios: list[Row] = []
    times: list[Row] = []
    for done, size in enumerate(SIZES):
        listener.progress("policy", done, len(SIZES))
        timed = _timed(load, judges, size, effort)
        if timed[SEEN].busy:
            listener.note(f"the machine was busy during {_chunks(size)}")
        ratios += _ratios(size, timed)
        times += _times(size, timed)
    yield from [*ratios, *times, *prepared]


def check(name: str, judge: Judge, load: Workload, batches: int) -> None:
    """Whether ``judge`` says of some batches what ragtrace says.

    Raises:
        RagtraceError: It does not; the message names the chunk.
    """
    ours = ENGINES[0].prepare(load.policy)
    for batch in range(-2 - batches, -2):
        chunks, audience = load.chunks(JUDGED, batch), load.audience(batch)
        answers = zip(chunks, judge(chunks, audience), ours(chunks, audience), strict=True)
        for chunk, said, expected in answers:
            if said != expected:
                raise RagtraceError(
                    f"{name} decides otherwise about {chunk.document.id} of {chunk.source.id}, "
                    f"{chunk.label.level}, for {audience.name}: {said}, expected {expected}"
                )


def _timed(
    load: Workload, judges: dict[Engine, Judge], size: int, effort: Effort
) -> dict[str, Timed]:
    ways: dict[str, Callable[[_Batch], object]] = {}
    turns: dict[str, int] = {}
    for engine, judge in judges.items():
        name = NEW if engine.name == OURS else engine.name
        ways[name] = lambda batch, judge=judge: judge(batch.new, batch.audience)  # type: ignore[misc]
        turns[name] = max(FEWEST, effort.turns // engine.slow // max(1, size // JUDGED))
        if engine.name == OURS:
            ways[SEEN] = lambda batch, judge=judge: judge(batch.seen, batch.audience)  # type: ignore[misc]
            turns[SEEN] = turns[NEW]
    for known in range(KNOWN):
        ways[SEEN](_batch(load, size, known))
    return interleaved(ways, lambda number: _batch(load, size, number), turns, IN_A_ROW)


def _batch(load: Workload, size: int, number: int) -> _Batch:
    known = number % KNOWN
    return _Batch(
        seen=load.chunks(size, known),
        new=load.chunks(size, KNOWN + (number % 1_000_000)),
        audience=load.audience(known),
    )


def _ratios(size: int, timed: dict[str, Timed]) -> Iterator[Row]:
    subject = f"{_chunks(size)}: times as long as {NEW}"
    for name, one in timed.items():
        if name not in (SEEN, NEW):
            yield Row("policy", subject, name, one.median / timed[NEW].median, "")


def _times(size: int, timed: dict[str, Timed]) -> Iterator[Row]:
    for name in sorted(timed, key=lambda name: (name not in (SEEN, NEW), name != SEEN)):
        bar = BAR_US if size == JUDGED and name in (SEEN, NEW) else None
        subject, one = f"{_chunks(size)}: {name}", timed[name]
        yield Row("policy", subject, "median", one.median * 1e6, "us", at_most=bar)
        yield Row("policy", subject, "of the processor", one.own * 1e6, "us")
        yield Row("policy", subject, "p99", one.p99 * 1e6, "us")


def _chunks(size: int) -> str:
    return f"{size} chunk{'s' * (size > 1)} x {RULES} rules"
