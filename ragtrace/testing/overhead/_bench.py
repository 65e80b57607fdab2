"""Bench: the same application under several tracers, a process each, in turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from ragtrace.testing.bench import Listener, Row, Silent
from ragtrace.testing.overhead._delivery import measure_delivery
from ragtrace.testing.overhead._material import ANSWER_WORDS
from ragtrace.testing.overhead._process import WorkerProcess
from ragtrace.testing.overhead._sink import Sink
from ragtrace.testing.overhead._start import measure_import
from ragtrace.testing.overhead._tracers import (
    ARMED,
    BASE,
    OURS,
    TEXTS,
    TRACERS,
    missing_tracers,
)

__all__ = ["BARS", "FULL", "QUICK", "SECTIONS", "Effort", "measure"]

SECTIONS: Final = ("made", "sent", "more", "stream", "llamaindex", "delivery", "import")
"""Spans made and sent nowhere, sent by OTLP, of 32 passages, answers streamed, another framework,
a back end that is slow or dead, and what importing takes."""

BARS: Final = {
    ("made", OURS): 300.0,
    ("sent", OURS): 500.0,
    ("more", OURS): 1_200.0,
    ("llamaindex", OURS): 800.0,
}
"""Microseconds of the processor that a call may take more, all threads together."""
DELTA_BARS: Final = {OURS: 2.0, ARMED: 12.0}
"""Microseconds that a streamed delta may take more."""
BYTES_BAR: Final = 8_192.0
"""That one call may send once its documents are known, texts and all."""

FEW: Final = 8
MANY: Final = 32


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts only: what is measured is the same at every effort.

    Attributes:
        rounds: In each of which every process has a turn, the order reversed every other time.
        calls: Of a turn.
        streams: Of a turn.
        seconds: Of a closed loop against a back end that is slow.
    """

    rounds: int
    calls: int
    streams: int
    seconds: float


FULL: Final = Effort(rounds=11, calls=50, streams=10, seconds=12.0)
QUICK: Final = Effort(rounds=5, calls=30, streams=5, seconds=4.0)
"""A minute or two, with wider margins."""


def measure(section: str, effort: Effort, listener: Listener | None = None) -> list[Row]:
    """Measure one section; tracers that are not installed are left out, and named."""
    told = listener or Silent()
    if section == "import":
        return measure_import(effort.rounds, told)
    framework = "llamaindex" if section == "llamaindex" else "langchain"
    for name in missing_tracers(framework):
        told.note(f"{name} is not installed for {framework}: its figures are left out")
    there = [one.name for one in TRACERS if framework in one.needs]
    there = [name for name in there if name not in missing_tracers(framework)]
    if BASE not in there:
        return []
    if section == "delivery":
        return measure_delivery([name for name in there if name != ARMED], effort.seconds, told)
    if section == "stream":
        return _stream([name for name in there if name != TEXTS], effort, told)
    there = [name for name in there if name != ARMED and (section != "made" or name != TEXTS)]
    return _calls(section, framework, there, effort, told)


def _calls(
    section: str, framework: str, tracers: Sequence[str], effort: Effort, told: Listener
) -> list[Row]:
    k = MANY if section == "more" else FEW
    rows: list[Row] = []
    with Sink() as sink, _workers(tracers, framework, k, section, sink) as workers:
        singly = _turns(workers, "invoke", effort.calls, effort.rounds, told, sink)
        together = _turns(workers, "ainvoke", effort.calls, effort.rounds, told, sink)
        for name, worker in workers.items():
            calls = worker.do("calls")["calls"]
            rows += _figures(section, name, singly, together, calls)
    return rows


def _figures(
    section: str, name: str, singly: _Turns, together: _Turns, calls: float
) -> Iterator[Row]:
    bar = BARS.get((section, name))
    if name == BASE:
        yield Row(section, name, "a call", singly.median(name, "cpu") * 1e6, "us")
        yield Row(section, name, "of 50 at once", together.median(name, "cpu") * 1e6, "us")
    else:
        yield Row(section, name, "a call", singly.added(name, "cpu"), "us", at_most=bar)
        yield Row(section, name, "in the call", singly.added(name, "inside"), "us")
        yield Row(section, name, "of 50 at once", together.added(name, "cpu"), "us", at_most=bar)
        yield Row(section, name, "spans", singly.median(name, "spans"), "")
        if section != "made":
            most = BYTES_BAR if name in (OURS, TEXTS) and section == "sent" else None
            sent = singly.median(name, "bytes")
            yield Row(section, name, "bytes", sent, "", at_most=most)
    yield Row(section, name, "Python calls", calls, "")
    yield Row(section, name, "memory", together.last(name, "megabytes"), "MB")


def _stream(tracers: Sequence[str], effort: Effort, told: Listener) -> list[Row]:
    """What one delta takes.

    A long answer in many deltas, less the same in few, less the same of the application alone.
    Beside it, what a stream of 200 takes more than an answer at once, shared out among its deltas:
    that is for the most part what a stream takes however few it has.
    """
    rows: list[Row] = []
    with Sink() as sink, _workers(tracers, "langchain", FEW, "made", sink) as workers:
        whole = _turns(workers, "invoke", effort.calls, effort.rounds, told, sink)
        streamed = _turns(workers, "stream", effort.streams, effort.rounds, told, sink)
        deltas = _turns(workers, "deltas", effort.streams, effort.rounds, told, sink)
        for name, worker in workers.items():
            rows += _of_delta(name, whole, streamed, deltas)
            calls = worker.do("delta calls")["calls"]
            rows.append(Row("stream", name, "Python calls a delta", calls, ""))
    return rows


def _of_delta(name: str, whole: _Turns, streamed: _Turns, deltas: _Turns) -> Iterator[Row]:
    if name == BASE:
        yield Row("stream", name, "a delta", deltas.median(name, "cpu") * 1e6, "us")
        alone = streamed.median(name, "cpu") - whole.median(name, "cpu")
        yield Row("stream", name, "shared out", alone * 1e6 / ANSWER_WORDS, "us")
        return
    bar = DELTA_BARS.get(name)
    yield Row("stream", name, "a delta", deltas.added(name, "cpu"), "us", at_most=bar)
    added = streamed.added(name, "cpu") - whole.added(name, "cpu")
    yield Row("stream", name, "shared out", added / ANSWER_WORDS, "us")
    yield Row("stream", name, "an answer", streamed.added(name, "cpu"), "us")


class _Turns:
    """What every process said, turn by turn."""

    def __init__(self, names: Sequence[str]) -> None:
        self.said: dict[str, list[dict[str, float]]] = {name: [] for name in names}

    def median(self, name: str, what: str) -> float:
        """Of all turns of one."""
        return statistics.median(turn[what] for turn in self.said[name])

    def last(self, name: str, what: str) -> float:
        """Of the last turn."""
        return self.said[name][-1][what]

    def added(self, name: str, what: str) -> float:
        """Microseconds more than the application alone in the same round; the median of those."""
        pairs = zip(self.said[name], self.said[BASE], strict=True)
        return statistics.median(turn[what] - base[what] for turn, base in pairs) * 1e6


def _turns(
    workers: dict[str, WorkerProcess],
    what: str,
    count: int,
    rounds: int,
    told: Listener,
    sink: Sink,
) -> _Turns:
    turns = _Turns(list(workers))
    for number in range(rounds):
        told.progress(what, number, rounds)
        names = list(workers)
        for name in names if number % 2 else reversed(names):
            key = _key(name)
            before = sink.bytes.get(key, 0)
            said = workers[name].do(what, count=count)
            said["bytes"] = (sink.bytes.get(key, 0) - before) / count
            turns.said[name].append(said)
    told.progress(what, rounds, rounds)
    return turns


@contextmanager
def _workers(
    tracers: Sequence[str], framework: str, k: int, section: str, sink: Sink
) -> Iterator[dict[str, WorkerProcess]]:
    """A process for each, which end with the block."""
    with ExitStack() as stack:
        workers = {}
        for name in tracers:
            url = None if section == "made" or name == BASE else sink.url(_key(name))
            workers[name] = worker = WorkerProcess(name, framework, k, url)
            stack.callback(worker.stop)
        yield workers


def _key(name: str) -> str:
    return name.replace(" ", "-")
