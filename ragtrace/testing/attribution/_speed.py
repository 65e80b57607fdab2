"""Speed: the matcher's time beside its peers', and how it grows with size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

from ragtrace.model import Message
from ragtrace.testing.attribution._peers import PEERS, missing_peers
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._trial import indexed, made_chunk
from ragtrace.testing.attribution._workload import (
    Workload,
    accented,
    as_json,
    made_documents,
    plain,
    workload,
)
from ragtrace.testing.bench import Row, frozen, interleaved

__all__ = ["OURS", "Point", "line_of", "measure_speed"]

OURS: Final = "ragtrace"
KB: Final = 1_000
LEDGER: Final = 2_048
_ON_LINE: Final = " KB of documents and prompt"
FEWEST: Final = 5
"""Calls of which a median can be taken."""


class _Cell(NamedTuple):
    documents: int
    length: int
    prompt: int
    bar_us: float | None
    slow: int  # how many times fewer repetitions
    found: Callable[[str], str] = plain
    written: Callable[[str], str] = str
    kind: str = ""

    @property
    def subject(self) -> str:
        size = f"{self.length / KB:g} KB / {self.prompt // KB} KB prompt"
        return f"{self.documents} x {size}{self.kind}"


_SMALL: Final = _Cell(8, 1_200, 12_000, 300, 1)
_MIDDLE: Final = _Cell(100, 2_000, 250_000, 5_000, 6)
_LARGE: Final = _Cell(200, 4_000, 400_000, 15_000, 10)
_COMPARED: Final = (_SMALL, _MIDDLE, _LARGE)
_OURS_ALONE: Final = (
    *(
        cell._replace(bar_us=None, found=str, kind=", as found in the data")
        for cell in (_SMALL, _MIDDLE, _LARGE)
    ),
    *(
        cell._replace(bar_us=None, written=written, kind=kind)
        for cell in (_SMALL, _MIDDLE)
        for written, kind in ((accented, ", non-ASCII"), (as_json, ", JSON"))
    ),
    _Cell(LEDGER, 1_200, 12_000, None, 4),
)


class Point(NamedTuple):
    """A size in characters of documents and prompt, and the median seconds it took."""

    size: int
    seconds: float


def measure_speed(session: Session) -> Iterator[Row]:
    """One thread, documents prepared, a prompt that was never seen before at every call."""
    missing = missing_peers()
    if missing:
        session.listener.note(
            f"not compared with {', '.join(missing)}: pip install 'ragtrace-otel[bench]'"
        )
    most = session.effort.largest_prompt
    cells = [cell for cell in (*_COMPARED, *_OURS_ALONE) if cell.prompt <= most]
    for cell in session.steps("speed: cells", cells):
        load = workload(
            session.material,
            cell.documents,
            cell.length,
            cell.prompt,
            found=cell.found,
            written=cell.written,
            seed=session.seed,
        )
        repeats = max(FEWEST, session.effort.repeats // cell.slow)
        yield from _compared(session, cell, load, repeats, peers=cell in _COMPARED)
    yield from _preparation(session)
    yield from _line_rows(_line(session))


def _compared(
    session: Session, cell: _Cell, load: Workload, repeats: int, *, peers: bool
) -> Iterator[Row]:
    chunks = [made_chunk(text) for text in load.documents]
    start = time.perf_counter()
    index = indexed(chunks)
    prepared = {OURS: time.perf_counter() - start}
    ways: dict[str, Callable[[str], object]] = {
        OURS: lambda prompt: index.attribute([Message("user", prompt)])
    }
    counts = {OURS: repeats}
    for peer in PEERS if peers else ():
        if peer.needs and find_spec(peer.needs) is None:
            continue
        if cell.prompt > peer.largest:
            session.listener.note(f"{peer.name} takes seconds at {cell.subject}: left out")
            continue
        start = time.perf_counter()
        ways[peer.name] = peer.prepare(load.documents)
        prepared[peer.name] = time.perf_counter() - start
        counts[peer.name] = max(FEWEST, repeats // peer.slow)
    for name, timed in interleaved(ways, load.text, counts).items():
        subject = f"{cell.subject}: {name}"
        if name == OURS and timed.busy:
            session.listener.note(f"the machine was busy during {cell.subject}")
        bar = cell.bar_us if name == OURS else None
        yield Row("speed", subject, "median", timed.median * 1e6, "us", at_most=bar)
        yield Row("speed", subject, "of the processor", timed.own * 1e6, "us")
        yield Row("speed", subject, "p99", timed.p99 * 1e6, "us")
        yield Row("speed", subject, "preparing all", prepared[name] * 1e6, "us")


def _preparation(session: Session) -> Iterator[Row]:
    """Documents as they come from a retriever: each text new, each added once."""
    dice = session.dice("preparation")
    per_kb = []
    for _ in range(max(FEWEST, session.effort.repeats // 8)):
        texts = made_documents(session.material, 50, 1_200, dice, found=plain)
        chunks = [made_chunk(text) for text in texts]
        with frozen():
            start = time.perf_counter()
            indexed(chunks)
            took = time.perf_counter() - start
        per_kb.append(took * 1e6 / (sum(map(len, texts)) / KB))
    value = statistics.median(per_kb)
    yield Row("speed", "preparing documents", "median", value, "us/KB")


def _line(session: Session) -> list[Point]:
    """Time over size, from 14 KB of documents and prompt to a megabyte or two."""
    points = []
    sizes = [2**step for step in range(session.effort.sizes)]
    for factor in session.steps("speed: linearity", sizes):
        load = workload(
            session.material,
            5 * factor,
            1_200,
            8_000 * factor,
            found=plain,
            seed=session.seed + factor,
        )
        index = indexed([made_chunk(text) for text in load.documents])
        repeats = max(FEWEST, session.effort.repeats // 4 // max(1, factor // 8))
        timed = interleaved(
            {OURS: lambda prompt, index=index: index.attribute([Message("user", prompt)])},  # type: ignore[misc]
            load.text,
            {OURS: repeats},
        )
        points.append(Point(load.size, timed[OURS].median))
    return points


def _line_rows(points: Sequence[Point]) -> Iterator[Row]:
    sizes = [point.size for point in points]
    seconds = [point.seconds for point in points]
    fit = statistics.correlation(sizes, seconds) ** 2 if len(points) > 2 else 1.0
    first, last = points[0], points[-1]
    subject = f"linearity, {first.size // KB} KB to {last.size // KB} KB"
    yield Row("speed", subject, "R^2", fit, "")
    ratio = (last.seconds / last.size) / (first.seconds / first.size)
    yield Row("speed", subject, "time per KB, largest / smallest", ratio, "")
    for point in points:
        subject = f"{point.size // KB}{_ON_LINE}"
        yield Row("speed", subject, "size", point.size / KB, "KB")
        yield Row("speed", subject, "median", point.seconds * 1e6, "us")


def line_of(rows: Iterable[Row]) -> list[Point]:
    """The points of the line of time over size that are among ``rows``."""
    values = [row.value for row in rows if row.subject.endswith(_ON_LINE)]
    return [
        Point(round(size * KB), us / 1e6)
        for size, us in zip(values[0::2], values[1::2], strict=True)
    ]
