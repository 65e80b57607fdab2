"""Negatives: how often a document that is not in a prompt is said to be in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.model import Attribution, Chunk
from ragtrace.testing.attribution._letters import Present
from ragtrace.testing.attribution._perturbation import PERTURBATIONS
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._strength import blocking, reported
from ragtrace.testing.attribution._trial import Trial, neighbours, render
from ragtrace.testing.bench import Row

__all__ = ["Tally", "measure_negatives", "upper_bound"]

RETRIEVED: Final = 8
LARGE_PROMPT: Final = 250_000
"""Characters of a prompt that holds most of a collection."""

LEDGER: Final = 2_048
"""Chunks that a process remembers and looks for in every prompt."""

LEAST: Final = 200
"""Characters that have to be left of a document once what it shares is cut out of it."""

EXAMPLES: Final = 3
"""False verdicts that are described; the count says how many there were."""

CONFIDENCE: Final = 0.95


@dataclass(slots=True)
class Tally:
    """Decisions on documents that are not there.

    Attributes:
        shared: Documents set aside, because a run of them does stand in the prompt.
    """

    session: Session
    subject: str
    decided: int = 0
    shared: int = 0
    reported: int = 0
    blocking: int = 0

    def count(self, trial: Trial, included: Sequence[str]) -> None:
        """Ask for a trial, and count what is said of the documents that are absent."""
        found = trial.attributed()
        present = Present([*(message.text for message in trial.messages), *included])
        for chunk in trial.absent:
            if present.shares(chunk.text):
                self.shared += 1
                continue
            self.decided += 1
            one = found.get(chunk.digest)
            self.blocking += blocking(one)
            if one is not None and reported(one):
                self.reported += 1
                self._describe(trial, chunk, one)

    def rows(self) -> Iterator[Row]:
        """What was counted."""
        for measure, value in (("certain", self.reported), ("blocking", self.blocking)):
            yield Row("precision", self.subject, f"false, {measure}", value, "", at_most=0)
            bound = 100 * upper_bound(value, self.decided)
            yield Row("precision", self.subject, f"95 % bound, {measure}", bound, "%")
        yield Row("precision", self.subject, "negatives", self.decided, "")
        yield Row("precision", self.subject, "set aside: shares text", self.shared, "")

    def _describe(self, trial: Trial, chunk: Chunk, one: Attribution) -> None:
        if self.reported > EXAMPLES:
            return
        span = max(one.spans, key=lambda span: span.symbols)
        said = trial.messages[span.message].text[span.start : span.end]
        own = chunk.text[span.chunk_start : span.chunk_end]
        self.session.listener.note(f"falsely certain: {said!r} in the prompt for {own!r}")


def upper_bound(errors: int, decided: int) -> float:
    """The rate that more errors would have been seen at, 95 times in 100; 3/n where none was."""
    if decided == 0:
        return math.nan
    low, high = float(errors), 3.0 * errors + 10
    while high - low > 1e-6:
        rate = (low + high) / 2
        term = total = math.exp(-rate)
        for k in range(1, errors + 1):
            term *= rate / k
            total += term
        low, high = (rate, high) if total > 1 - CONFIDENCE else (low, rate)
    return min(1.0, high / decided)


def measure_negatives(session: Session) -> Iterator[Row]:
    """Traces on one topic, prompts that hold most of a collection, and a process's ledger."""
    yield from _same_topic(session).rows()
    yield from _large(session).rows()
    yield from _ledger(session).rows()


def _same_topic(session: Session) -> Tally:
    tally = Tally(session, f"{RETRIEVED} documents of one topic")
    dice = session.dice("negatives")
    names = list(session.material.collections)
    traces = 0
    while tally.decided < session.effort.negatives:
        documents = session.material.collections[names[traces % len(names)]]
        perturbation = PERTURBATIONS[traces // len(names) % len(PERTURBATIONS)]
        texts = neighbours(documents, RETRIEVED, dice)
        included = texts[: dice.randint(2, 5)]
        tally.count(render(texts, included, perturbation, dice), included)
        traces += 1
        session.listener.progress("precision: negatives", tally.decided, session.effort.negatives)
        if traces > session.effort.negatives:
            session.listener.note("nearly all documents share text; fewer negatives than asked")
            break
    return tally


def _large(session: Session) -> Tally:
    """What absent documents share with the prompt is cut out of them, or few would be left."""
    tally = Tally(session, "250 KB prompts")
    dice = session.dice("large negatives")
    collections = sorted(session.material.collections.values(), key=_size)[-2:]
    rounds = range(session.effort.large_prompts)
    for number in session.steps("precision: 250 KB prompts", rounds):
        documents = collections[number % len(collections)]
        documents = tuple(dice.sample(documents, len(documents)))
        count = 1
        while _size(documents[:count]) < LARGE_PROMPT and count < 0.7 * len(documents):
            count += 1
        included = documents[:count]
        present = Present(included)
        absent = [own for text in documents[count:] if (own := _own(text, present))]
        perturbation = PERTURBATIONS[number % 2]  # verbatim and re-wrapped, as applications do
        tally.count(render([*included, *absent], included, perturbation, dice), included)
    return tally


def _ledger(session: Session) -> Tally:
    tally = Tally(session, f"ledger of {LEDGER} chunks")
    dice = session.dice("ledger negatives")
    documents = list(session.material.documents)
    rounds = range(session.effort.large_prompts)
    for number in session.steps("precision: ledger", rounds):
        texts = dice.sample(documents, min(LEDGER, len(documents)))
        perturbation = PERTURBATIONS[number % len(PERTURBATIONS)]
        included = texts[:RETRIEVED]
        tally.count(render(texts, included, perturbation, dice), included)
    return tally


def _own(text: str, present: Present) -> str:
    """The sentences of ``text`` of which nothing is there; empty where few are left."""
    kept = [part for part in re.split(r"(?<=[.!?])\s+", text) if not present.shares(part)]
    own = " ".join(kept)
    return own if len(own) >= LEAST else ""


def _size(documents: Sequence[str]) -> int:
    return sum(map(len, documents))
