"""Timing: several ways of doing the same, one after another in one thread, on fresh input."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

__all__ = ["Timed", "frozen", "interleaved", "resident"]

T = TypeVar("T")

BUSY: Final = 1.15
"""Seconds by the clock for one of the processor's beyond which others were at work too."""


class Timed(NamedTuple):
    """Seconds of each call, by the clock and of the processor."""

    seconds: list[float]
    processor: list[float]

    @property
    def median(self) -> float:
        """Half of the calls took longer."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """One call in a hundred took longer; the longest where there are fewer."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * 0.99))]

    @property
    def own(self) -> float:
        """The median of the processor's seconds: what it would take on a machine with no load."""
        return statistics.median(self.processor)

    @property
    def busy(self) -> bool:
        """Whether the machine did something else meanwhile, so that times by the clock are long."""
        return sum(self.seconds) > BUSY * sum(self.processor)


@contextmanager
def frozen() -> Iterator[None]:
    """What is alive now is not looked at by the collector: a full collection takes 35 ms here."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def interleaved(
    ways: Mapping[str, Callable[[T], object]],
    inputs: Callable[[int], T],
    repeats: Mapping[str, int],
    in_a_row: int = 1,
) -> dict[str, Timed]:
    """Time every way as often as ``repeats`` says, in turns, the order reversed every round.

    A machine that is busy for a second is so for all of them.

    Args:
        ways: What is timed, by name.
        inputs: Makes the input of a number, anew for every call: no hash of it is known, and
            nothing that was remembered for the last one helps.
        repeats: Turns of each way.
        in_a_row: Calls of a turn, each timed by itself. With one, each way finds the processor's
            caches as the others have left them; with several, the median does not.
    """
    timed = {name: Timed([], []) for name in ways}
    for way in ways.values():
        way(inputs(-1))  # warm: imports, tables, code
    names = list(ways)
    with frozen():
        for number in range(max(repeats.values())):
            for name in names if number % 2 else reversed(names):
                if number >= repeats[name]:
                    continue
                for place in range(in_a_row):
                    one = inputs(number * in_a_row + place)
                    used, start = time.thread_time(), time.perf_counter()
                    ways[name](one)
                    took = time.perf_counter() - start
                    timed[name].processor.append(time.thread_time() - used)
                    timed[name].seconds.append(took)
    return timed


def resident() -> tuple[float, float]:
    """Megabytes of memory in use: in all, and without pages of files; 0 where not known."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            said = dict(line.split(":", 1) for line in lines if ":" in line)
    except OSError:
        return 0.0, 0.0
    return tuple(int(said.get(name, "0 kB").split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))  # type: ignore[return-value]
