"""Recall: how many of the documents that are in a prompt are found in it, whatever was done."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.testing.attribution._perturbation import (
    DECODABLE,
    PERTURBATIONS,
    RUN,
    Perturbation,
    Perturbed,
)
from ragtrace.testing.attribution._prose import SCRIPTS, script_text
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._strength import blocking, reported
from ragtrace.testing.attribution._trial import Trial, apart, render
from ragtrace.testing.bench import Row

__all__ = ["Found", "measure_recall"]

RETRIEVED: Final = 8
INCLUDED: Final = 4
WRONG_PER_CENT: Final = 0.1
"""Characters that may be attributed to a document they are not of: a run may go on by a letter
or two into what stands beside it."""

BY_DESIGN: Final = ("translated", "paraphrased")
"""What changes every letter cannot be seen by a judge of letters; flow accounts for it."""


@dataclass(slots=True)
class Found:
    """What was found of the documents that are there.

    Attributes:
        decided: Documents with RUN unbroken characters in the prompt.
        known: Whether ranges are known character by character.
    """

    subject: str
    at_least: float | None
    known: bool
    decided: int = 0
    blocking: int = 0
    certain: int = 0
    ambiguous: int = 0
    characters: int = 0
    wrong: int = 0
    covered: int = 0
    rendered: int = 0

    def count(self, trial: Trial) -> None:
        """Ask for a trial, and count what is said of the documents that are there."""
        found = trial.attributed()
        places = {}
        for placed in trial.placed:
            if placed.unbroken < RUN:
                continue
            places[placed.digest] = range(placed.start, placed.end)
            one = found.get(placed.digest)
            self.decided += 1
            self.blocking += blocking(one)
            self.certain += reported(one)
            self.ambiguous += one is not None and one.verdict == "ambiguous"
        last = len(trial.messages) - 1
        for digest, one in found.items():
            if one.verdict != "certain":
                continue
            named = {(span.message, at) for span in one.spans for at in range(span.start, span.end)}
            place = places.get(digest, range(0))
            right = sum(1 for message, at in named if message == last and at in place)
            self.characters += len(named)
            self.wrong += len(named) - right
            self.covered += right
        self.rendered += sum(map(len, places.values()))

    def rows(self) -> Iterator[Row]:
        """What was counted."""
        for measure, count in (("blocking", self.blocking), ("certain", self.certain)):
            share = count / self.decided if self.decided else 0.0
            yield Row("recall", self.subject, measure, share, "", at_least=self.at_least)
        share = (self.certain + self.ambiguous) / self.decided if self.decided else 0.0
        yield Row("recall", self.subject, "certain or ambiguous", share, "")
        yield Row("recall", self.subject, "documents", self.decided, "")
        if self.known:
            wrong = 100 * self.wrong / max(1, self.characters)
            yield Row(
                "recall", self.subject, "wrong characters", wrong, "%", at_most=WRONG_PER_CENT
            )
            covered = 100 * self.covered / max(1, self.rendered)
            yield Row("recall", self.subject, "characters found", covered, "%")


def measure_recall(session: Session) -> Iterator[Row]:
    """Every perturbation over real documents, then every script; paraphrase for the record."""
    collections = list(session.material.collections.values())
    for perturbation in PERTURBATIONS:
        dice = session.dice("recall", perturbation.name)
        found = Found(perturbation.name, perturbation.at_least, perturbation.placed)
        rounds = range(session.effort.traces)
        for number in session.steps(f"recall: {perturbation.name}", rounds):
            documents = collections[number % len(collections)]
            found.count(_trial(documents, perturbation, dice))
        yield from found.rows()
    for script in SCRIPTS:
        for form in _SCRIPT_FORMS:
            yield from _script(session, script, form).rows()
    for subject in BY_DESIGN:
        for measure in ("blocking", "certain"):
            yield Row("recall", f"{subject}: 0 by design", measure, 0, "")


def _trial(documents: Sequence[str], perturbation: Perturbation, dice: random.Random) -> Trial:
    texts = apart(documents, RETRIEVED, dice, least=RUN)
    return render(texts, texts[:INCLUDED], perturbation, dice)


def _script(session: Session, script: str, form: Perturbation) -> Found:
    dice = session.dice("script", script, form.name)
    found = Found(f"{script}, {form.name}", form.at_least, form.placed)
    rounds = range(max(1, session.effort.traces // 2))
    for _ in session.steps(f"recall: {found.subject}", rounds):
        documents = [script_text(dice, script) for _ in range(RETRIEVED)]
        found.count(_trial(documents, form, dice))
    return found


def _decomposed(text: str, dice: random.Random) -> Perturbed:
    """Letters and marks apart, as some systems store them."""
    return Perturbed(unicodedata.normalize("NFD", text), len(text))


def _escaped(text: str, dice: random.Random) -> Perturbed:
    return Perturbed(json.dumps([text, text[:9]]), len(text))


_SCRIPT_FORMS: Final = (
    Perturbation("decomposed", _decomposed, DECODABLE, placed=True),
    Perturbation("JSON with \\u escapes", _escaped, DECODABLE),
)
