"""Curve: how long an excerpt has to be until it is certain where it came from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from ragtrace.model import Attribution, Message, digest
from ragtrace.testing.attribution._letters import letters
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._strength import blocking, reported
from ragtrace.testing.attribution._trial import apart, indexed, made_chunk
from ragtrace.testing.bench import Row

__all__ = ["LENGTHS", "excerpt", "measure_curve"]

LENGTHS: Final = (20, 24, 28, 32, 36, 39, 42, 46, 50, 54, 58, 64, 72, 80, 100, 128, 160)
"""Letters and digits of the excerpt."""

RETRIEVED: Final = 8
FILLER: Final = 10
"""Documents around the excerpt, of the same collection and sharing nothing with it."""


def measure_curve(session: Session) -> Iterator[Row]:
    """The share of excerpts that are certain, by their length, cut anywhere."""
    collections = list(session.material.collections.values())
    for length in session.steps("recall: run lengths", LENGTHS):
        dice = session.dice("curve", length)
        counts = {"blocking": 0, "certain": 0, "found": 0}
        for number in range(session.effort.splices):
            name, found = _splice(collections[number % len(collections)], length, dice)
            one = found.get(name)
            counts["blocking"] += blocking(one)
            counts["certain"] += reported(one)
            counts["found"] += one is not None and one.verdict != "none"
        for measure, count in counts.items():
            share = count / session.effort.splices
            yield Row("recall", f"run of {length} symbols", measure, share, "")


def excerpt(text: str, length: int, dice: random.Random) -> str:
    """``length`` letters of ``text`` in a row with what stands between, from anywhere."""
    ends = [at for at, char in enumerate(text) for _ in letters(char)]
    start = dice.randrange(len(ends) - length + 1)
    return text[ends[start] : ends[start + length - 1] + 1]


def _splice(
    documents: Sequence[str], length: int, dice: random.Random
) -> tuple[str, dict[str, Attribution]]:
    texts = apart(documents, RETRIEVED + FILLER, dice, least=2 * max(LENGTHS))
    retrieved, filler = texts[:RETRIEVED], "\n".join(texts[RETRIEVED:])
    said = excerpt(retrieved[0], length, dice)
    place = dice.randrange(len(filler) + 1) if filler else 0
    # What stands beside it must not go on as the document does.
    prompt = f"{filler[:place]} ⟦Q: {said} :Q⟧ {filler[place:]}"
    index = indexed([made_chunk(text) for text in retrieved])
    found = index.attribute([Message("user", prompt)])
    return digest(retrieved[0]), {one.chunk: one for one in found}
