"""Guard: what the streaming guard costs, what it holds back, and whether anything gets past it."""

from __future__ import annotations

import random
import re
import statistics
import textwrap
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from ragtrace.attribution import TRIGGER, WITHHELD, Guard, skeleton
from ragtrace.testing.attribution._letters import letters, windows
from ragtrace.testing.attribution._material import Answer
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._trial import TEMPLATES
from ragtrace.testing.attribution._workload import made_documents
from ragtrace.testing.bench import Row, Timed, frozen

__all__ = ["deltas", "held", "leaked", "measure_guard"]

US_PER_DELTA: Final = 10
HELD_SYMBOLS: Final = 10
"""Symbols that may be held back at most, half of the time: about two words."""

MANY: Final = (100, 1_400)
"""Documents and characters of each: 140 KB, protected all at once."""


class _Stream(NamedTuple):
    """An answer, the passages it must not quote, and every run of them."""

    answer: str
    passages: Sequence[str]
    protected: set[str]


def measure_guard(session: Session) -> Iterator[Row]:
    """Real answers word by word, their own documents protected; then 140 KB; then fuzzing."""
    dice = session.dice("guard")
    answers = [a for a in session.material.answers if _protectable(a)]
    answers = dice.sample(answers, min(session.effort.answers, len(answers)))
    own = (_Stream(a.text, p, _runs(p)) for a in answers for p in [_protectable(a)])
    yield from _streamed(session, "own documents protected", own, HELD_SYMBOLS)
    passages = made_documents(session.material, *MANY, dice)
    runs = _runs(passages)
    other = (_Stream(answer.text, passages, runs) for answer in answers)
    yield from _streamed(session, "140 KB protected", other, None)
    yield from _fuzzed(session, dice)


def deltas(text: str) -> list[str]:
    """``text`` in words, as models stream."""
    return re.findall(r"\s*\S+|\s+$", text)


def held(text: str, protected: set[str], released: Sequence[str]) -> list[int]:
    """For each delta of ``text`` the symbols that were kept waiting after it, seen from outside.

    What had arrived, but for what had left, and for what never will and is known by then not
    to: its mark has left, or it has become part of a protected run of TRIGGER symbols.
    ``released`` is what left at each delta, and last what left at the end.
    """
    arrived = list(accumulate(len(letters(delta)) for delta in deltas(text)))
    marks = list(accumulate(piece.count(WITHHELD) for piece in released))
    known_at = _known_at(letters(text), protected)
    settled = [0] * (len(released) + 1)  # symbols of which it becomes known at each step
    symbol_at = [0, *accumulate(len(letters(char)) for char in text)]
    for number, (start, end) in enumerate(_withheld(text, "".join(released)), 1):
        marked = bisect_left(marks, number)
        for symbol in range(symbol_at[start], symbol_at[end]):
            here = bisect_left(arrived, symbol + 1)
            known = bisect_left(arrived, known_at[symbol])
            settled[min(known, max(marked, here))] += 1
    left = accumulate(len(letters(piece.replace(WITHHELD, ""))) for piece in released)
    gone = accumulate(settled)
    return [a - b - c for a, b, c in zip(arrived, left, gone, strict=False)]


def _known_at(said: str, protected: set[str]) -> list[int]:
    """For each symbol, how many have arrived when a protected run is first seen to hold it."""
    known_at = [len(said) + 1] * len(said)
    for end in range(TRIGGER, len(said) + 1):
        if said[end - TRIGGER : end] in protected:
            for place in range(end - 1, end - TRIGGER - 1, -1):
                if known_at[place] <= end:
                    break
                known_at[place] = end
    return known_at


def _withheld(text: str, output: str) -> Iterator[tuple[int, int]]:
    """The characters of ``text`` that each mark in ``output`` stands for."""
    first, *others = output.split(WITHHELD)
    at = len(first)
    for left, piece in zip(range(len(others), 0, -1), others, strict=True):
        # The last piece ends the text; another is taken where it is next found.
        found = len(text) - len(piece) if left == 1 else max(at, text.find(piece, at))
        yield at, found
        at = found + len(piece)


def leaked(output: str, protected: set[str]) -> int:
    """Symbols of protected runs of TRIGGER or more that are in what left."""
    count = 0
    for piece in output.split(WITHHELD):
        for said in {letters(piece), skeleton(piece).symbols}:
            inside = {
                place
                for at in range(len(said) - TRIGGER + 1)
                if said[at : at + TRIGGER] in protected
                for place in range(at, at + TRIGGER)
            }
            count += len(inside)
    return count


def _protectable(answer: Answer) -> list[str]:
    return [text for text in answer.documents if len(letters(text)) >= TRIGGER]


def _runs(passages: Sequence[str]) -> set[str]:
    """Every run of TRIGGER symbols of some passages, by our fold and by the standard library's."""
    found: set[str] = set()
    for text in passages:
        said = skeleton(text).symbols
        found |= windows(text, TRIGGER)
        found |= {said[at : at + TRIGGER] for at in range(len(said) - TRIGGER + 1)}
    return found


def _streamed(
    session: Session, subject: str, streams: Iterable[_Stream], most_held: int | None
) -> Iterator[Row]:
    timed = Timed([], [])
    arming: list[float] = []
    waiting: list[int] = []
    leaks = 0
    with frozen():
        for stream in session.steps(f"guard: {subject}", streams, session.effort.answers):
            start = time.perf_counter()
            guard = Guard(stream.passages)
            arming.append(time.perf_counter() - start)
            released = []
            for delta in deltas(stream.answer):
                used, start = time.thread_time(), time.perf_counter()
                released.append(guard.feed(delta))
                took = time.perf_counter() - start
                timed.processor.append(time.thread_time() - used)
                timed.seconds.append(took)
            released.append(guard.close())
            leaks += leaked("".join(released), stream.protected)
            waiting += held(stream.answer, stream.protected, released)
    if timed.busy:
        session.listener.note(f"the machine was busy during guard: {subject}")
    bar = US_PER_DELTA if most_held else None
    yield Row("guard", subject, "median", timed.median * 1e6, "us/delta", at_most=bar)
    yield Row("guard", subject, "of the processor", timed.own * 1e6, "us/delta")
    yield Row("guard", subject, "p99", timed.p99 * 1e6, "us/delta")
    yield Row("guard", subject, "arming", statistics.median(arming) * 1e6, "us")
    median = statistics.median(waiting)
    yield Row("guard", subject, "held, median", median, "symbols", at_most=most_held)
    yield Row("guard", subject, "held, mean", statistics.mean(waiting), "symbols")
    yield Row("guard", subject, "held, most", max(waiting), "symbols")
    yield Row("guard", subject, "leaked", leaks, "symbols", at_most=0)
    yield Row("guard", subject, "deltas", len(timed.seconds), "")


_FORMS: Final[Sequence[Callable[[str], str]]] = (
    str,
    str.upper,
    lambda text: textwrap.fill(text, 37),
    lambda text: "\n* ".join(text.split()),
    "\u200b".join,
    lambda text: text.replace("fi", "ﬁ").replace("e", "é"),
)


def _fuzzed(session: Session, dice: random.Random) -> Iterator[Row]:
    """Excerpts of protected text among other text, written in any form, cut anywhere."""
    documents = made_documents(session.material, 20, 1_000, dice)
    protected = _runs(documents)
    harmless = [word for t in TEMPLATES for word in (t.head + t.foot).split()]
    leaks = withheld = 0
    rounds = range(session.effort.fuzzed)
    for _ in session.steps("guard: fuzzed cuts", rounds):
        pieces = []
        for _ in range(dice.randint(1, 4)):
            text = dice.choice(documents)
            start = dice.randrange(len(text))
            said = text[start : start + dice.randint(20, 300)]
            pieces.append(" ".join(dice.choices(harmless, k=dice.randint(0, 8))))
            pieces.append(dice.choice(_FORMS)(said))
        text = dice.choice(["", " ", "\n- "]).join(pieces)
        guard = Guard(documents)
        output = "".join([*map(guard.feed, _cut(text, dice)), guard.close()])
        leaks += leaked(output, protected)
        withheld += guard.withheld
    subject = "fuzzed cuts"
    yield Row("guard", subject, "leaked", leaks, "symbols", at_most=0)
    yield Row("guard", subject, "withheld passages", withheld, "")
    yield Row("guard", subject, "streams", session.effort.fuzzed, "")


def _cut(text: str, dice: random.Random) -> Iterator[str]:
    most = dice.choice([1, 3, 12, 80])
    at = 0
    while at < len(text):
        size = dice.randint(0 if most > 1 else 1, most)
        yield text[at : at + size]
        at += size
