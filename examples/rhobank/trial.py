"""The trial: one context for every question, and what leaks and is withheld there."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import count
from random import Random
from typing import Any

from ground_truth import RUN, symbols
from knowledge import Article, Question
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from leaking import FIGURES, SENTENCES, SIZES, TEXT, VERBATIM, WHOLE, Way, deltas
from ordinary import ordinary
from pipeline import build_store, document
from prompts import Given, Shown, governed, shown
from tally import Alarms, Kept, Leaks
from witness import WITHHELD_MARK, Witness

# The context that holds what a good answer requires, whatever retrieval finds.
REQUIRED = "required"
CHAIN = Way("verbatim, all of it, by LangChain", lambda text: [text])
# Of what has been said in another context, or is a single sentence, one answer of so many is
# streamed as well as passed whole; of what is both, no other is passed at all.
THINNED = 5
# Characters of an example.
EXAMPLE = 28


@dataclass
class Result:
    """What one context gave, or several.

    Attributes:
        leaks: By way of leaking; the ways that ragtrace promises to see through.
        beyond: The same of the others.
        sizes: By characters in a delta; "random" where they were.
        alarms: By kind of ordinary answer.
    """

    kept: dict[str, Kept] = field(default_factory=lambda: defaultdict(Kept))
    leaks: dict[str, Leaks] = field(default_factory=lambda: defaultdict(Leaks))
    beyond: dict[str, Leaks] = field(default_factory=lambda: defaultdict(Leaks))
    sizes: dict[str, Leaks] = field(default_factory=lambda: defaultdict(Leaks))
    alarms: dict[str, Alarms] = field(default_factory=lambda: defaultdict(Alarms))

    def plain(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return all that was counted, ready for JSON."""
        return {
            one.name: {name: vars(tally) for name, tally in getattr(self, one.name).items()}
            for one in fields(self)
        }

    def take(self, other: "Result") -> None:
        """Add what another context gave, or other questions in the same one."""
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            for name, tally in theirs.items():
                mine[name] = mine[name] + tally


def internal(articles: Iterable[Article]) -> set[str]:
    """Return the ids (set of str) of the articles that are for staff, if only in part."""
    return {article.id for article in articles if article.restricted()}


class Trial:
    """One context, in which every question is put that needs an internal article.

    Args:
        context: How many articles are retrieved, or `REQUIRED`.
        others: Ordinary answers to other questions.
    """

    def __init__(self, context: str, articles: Sequence[Article], others: Sequence[str]) -> None:
        self._context = context
        self._articles = {article.id: article for article in articles}
        self._internal = internal(articles)
        self._others = others
        self._store: VectorStore | None = None
        if context != REQUIRED:
            self._store = build_store(articles)
        self._turn = count()
        self.result = Result()

    def run(self, questions: Sequence[Question], done: Callable[[], None]) -> Result:
        """Put the questions, calling `done` after each, and return what was counted."""
        with governed():
            for question in questions:
                found = self._found(question)
                with shown(question, found, self._retriever(found)) as one:
                    self._keep(one)
                    if one.restricted:
                        self._leak(one)
                        self._alarm(one)
                done()
        return self.result

    def _found(self, question: Question) -> list[Article]:
        if self._store is None:
            return [self._articles[name] for name in sorted(question.required)]
        documents = self._store.similarity_search(question.text, int(self._context))
        return [self._articles[str(one.id)] for one in documents]

    def _retriever(self, found: Sequence[Article]) -> BaseRetriever:
        if self._store is None:
            return Given(documents=[document(article) for article in found])
        return self._store.as_retriever(search_kwargs={"k": int(self._context)})

    def _keep(self, one: Shown) -> None:
        kept = self.result.kept[self._context]
        required = [article for article in one.articles if article.id in one.question.required]
        whole = [article for article in required if article.text in one.text]
        kept.questions += 1
        kept.complete += len(required) == len(one.question.required)
        kept.reached += bool(one.restricted)
        kept.required += len(required)
        kept.internal += len(self._internal.intersection(article.id for article in required))
        kept.whole += len(whole)
        kept.questions_kept += len(whole) == len(required)

    def _leak(self, one: Shown) -> None:
        witness = Witness(one.restricted, one.readable)
        everything = "\n\n".join(one.restricted)
        self._hear(CHAIN, witness, everything, one.invoked(everything), None)
        self._hear(CHAIN, witness, everything, one.streamed(everything), "5")
        figures = "\n".join(witness.figures.values())
        for ways, texts in ((TEXT, one.restricted), (FIGURES, [figures] if figures else [])):
            for way in ways:
                for text in texts:
                    for answer in filter(None, way.write(text)):
                        self._say(one, way, witness, answer)

    def _say(self, one: Shown, way: Way, witness: Witness, answer: str) -> None:
        """Pass `answer` on whole and streamed; verbatim in deltas of every size."""
        turn = next(self._turn)
        again = self._context != REQUIRED
        if turn % THINNED and way is SENTENCES and again:
            return
        self._hear(way, witness, answer, one.whole(answer), None)
        if turn % THINNED and (way is SENTENCES or again):
            return
        for size in SIZES if way is VERBATIM else [SIZES[turn % len(SIZES)]]:
            left = one.piecemeal(deltas(answer, size, Random(turn)))
            self._hear(way, witness, answer, left, str(size or "random"))

    def _hear(self, way: Way, witness: Witness, answer: str, left: str, size: str | None) -> None:
        streamed = size is not None
        heard = witness.hear(left)
        undone = witness.hear(way.undo(left), undone=True) if way.undo else heard
        if way.promised(streamed=streamed):
            tallies = [self.result.leaks[way.name]]
            if size is not None:
                tallies.append(self.result.sizes[size])
        else:
            name = f"{way.name}, streamed" if way.promise == WHOLE else way.name
            tallies = [self.result.beyond[name]]
        for tally in tallies:
            tally.add(heard, undone, unchanged=left == answer)

    def _alarm(self, one: Shown) -> None:
        dice = Random(f"{self._context} {one.question.id}")
        for kind, answer in ordinary(one, list(self._articles.values()), self._others, dice):
            size = SIZES[next(self._turn) % len(SIZES)]
            left = one.whole(answer)
            streamed = one.piecemeal(deltas(answer, size, dice))
            tally = self.result.alarms[kind]
            gone = _withheld(answer, left)
            runs = [text for text in gone if len(symbols(text)) >= RUN]
            tally.answers += 1
            tally.changed += left != answer or streamed != answer
            tally.by_run += bool(runs)
            tally.by_figure += len(gone) > len(runs)
            tally.characters += len(answer)
            tally.withheld += sum(map(len, gone))
            tally.examples.update(" ".join(text.split())[:EXAMPLE] for text in gone)


def _withheld(answer: str, left: str) -> list[str]:
    """Return what of `answer` (list of str) stands behind the marks in `left`."""
    gone, place = [], 0
    first, *rest = left.split(WITHHELD_MARK)
    place = len(first)
    for number, part in enumerate(rest):
        last = number == len(rest) - 1
        found = len(answer) - len(part) if last else answer.find(part, place + 1)
        gone.append(answer[place:found])
        place = found + len(part)
    return gone
