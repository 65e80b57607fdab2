"""Cells: retrieved sets whose documents share text, and what is said of each kind then."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ragtrace.testing.attribution._perturbation import PERTURBATIONS
from ragtrace.testing.attribution._prose import article
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._strength import blocking
from ragtrace.testing.attribution._trial import TEMPLATES, Template, Trial, apart, render
from ragtrace.testing.bench import Row

__all__ = ["CELLS", "Case", "Cell", "measure_cells"]

CHUNK: Final = 1_200
FORMS: Final = (
    "verbatim",
    "whitespace re-wrapped",
    "JSON",
    "HTML",
    "line numbers",
    "subtitles",
    "truncated",
    "5 % of words dropped",
    "30 % of the sentences",
)
"""Renderings tried in each cell: what keeps all of a document, what cuts it into short runs, and
what keeps part of it."""

HEADER: Final = (
    "Internal knowledge base of the customer service department. Owner: operations team. "
    "Review date: see register. "
)
FOOTER: Final = (
    " This page is for general information only and is not an offer. Terms and conditions "
    "apply. If anything is unclear, please contact the support desk before you act on it."
)


class Case(NamedTuple):
    """Documents of one trace, those that are rendered, and a template where it matters."""

    texts: list[str]
    included: list[str]
    template: Template | None = None


class Cell(NamedTuple):
    """A kind of shared text."""

    name: str
    case: Callable[[Sequence[str], random.Random], Case]


def _overlapping(documents: Sequence[str], dice: random.Random) -> Case:
    """Two long documents in chunks that overlap by half; of each, one chunk is rendered."""
    texts, included = [], []
    for text in _long(documents, dice, 2):
        starts = range(0, len(text) - CHUNK + 1, CHUNK // 2)
        chunks = [text[start : start + CHUNK] for start in starts][:4]
        texts += chunks
        included.append(dice.choice(chunks))
    return Case(texts, included)


def _long(documents: Sequence[str], dice: random.Random, count: int) -> list[str]:
    parts = apart(documents, 8 * count, dice)
    made: list[str] = []
    for _ in range(count):
        text = ""
        while len(text) < 3 * CHUNK:
            text += (parts.pop() if parts else article(dice, 0)) + "\n\n"
        made.append(text)
    return made


def _boilerplate(documents: Sequence[str], dice: random.Random) -> Case:
    texts = [HEADER + text + FOOTER for text in apart(documents, 8, dice, least=200)]
    return Case(texts, dice.sample(texts, min(3, len(texts))))


def _boilerplate_in_template(documents: Sequence[str], dice: random.Random) -> Case:
    case = _boilerplate(documents, dice)
    template = dice.choice(TEMPLATES)
    return case._replace(template=template._replace(foot=f"{FOOTER}\n{template.foot}"))


def _versions(documents: Sequence[str], dice: random.Random) -> Case:
    """Four documents in two versions each; one version of each is rendered."""
    texts, included = [], []
    for text in apart(documents, 4, dice, least=600):
        pair = [text, _revised(text, dice)]
        texts += pair
        included.append(dice.choice(pair))
    return Case(texts, included)


def _revised(text: str, dice: random.Random) -> str:
    """``text`` with up to three of its sentences said otherwise."""
    sentences = text.split(". ")
    for at in dice.sample(range(len(sentences)), min(3, max(1, len(sentences) - 2))):
        sentences[at] = article(dice, 7, 60).rstrip(".? ")
    return ". ".join(sentences)


CELLS: Final = (
    Cell("overlapping chunks", _overlapping),
    Cell("shared header and footer", _boilerplate),
    Cell("footer also in the template", _boilerplate_in_template),
    Cell("near-duplicate versions", _versions),
)


def measure_cells(session: Session) -> Iterator[Row]:
    """Precision of ``certain`` where documents share text, and what the others are called."""
    forms = [one for one in PERTURBATIONS if one.name in FORMS]
    collections = list(session.material.collections.values())
    for cell in CELLS:
        dice = session.dice("cells", cell.name)
        there: Counter[str] = Counter()
        gone: Counter[str] = Counter()
        rounds = range(session.effort.cell_traces * len(forms))
        for number in session.steps(f"precision: {cell.name}", rounds):
            case = cell.case(collections[number % len(collections)], dice)
            form = forms[number % len(forms)]
            trial = render(case.texts, case.included, form, dice, template=case.template)
            _count(trial, there, gone)
        yield from _rows(cell.name, there, gone)


def _count(trial: Trial, there: Counter[str], gone: Counter[str]) -> None:
    found = trial.attributed()
    included = {placed.digest for placed in trial.placed}
    for chunk in trial.chunks:
        one = found.get(chunk.digest)
        counts = there if chunk.digest in included else gone
        counts["decided"] += 1
        counts[one.verdict if one is not None else "none"] += 1
        counts["blocking"] += blocking(one)


def _rows(name: str, there: Counter[str], gone: Counter[str]) -> Iterator[Row]:
    for measure, key in (("precision of certain", "certain"), ("precision, blocking", "blocking")):
        said = there[key] + gone[key]
        precision = there[key] / said if said else 1.0
        yield Row("precision", name, measure, precision, "", at_least=1.0)
    found = there["certain"] + there["ambiguous"]
    yield Row("precision", name, "included: certain", _share(there["certain"], there), "")
    yield Row("precision", name, "included: certain or ambiguous", _share(found, there), "")
    for verdict in ("explained", "ambiguous", "none"):
        yield Row("precision", name, f"absent: {verdict}", _share(gone[verdict], gone), "")


def _share(part: int, counts: Counter[str]) -> float:
    return part / counts["decided"] if counts["decided"] else 0.0
