"""The witness: what of restricted text stands in an answer, told without ragtrace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from figures import Key, figures, stated
from ground_truth import RUN, symbols
from leaking import without_numbers

# What ragtrace puts in place of a passage that may not be said; nothing reads across it.
WITHHELD_MARK = "[withheld]"


@dataclass(frozen=True)
class Testimony:
    """What of the restricted text of one prompt stands in one answer.

    Attributes:
        longest: Letters and digits of the longest run that stands in no text for customers.
        figures: Restricted figures that no text for customers states.
    """

    longest: int
    figures: frozenset[Key]

    @property
    def run(self) -> bool:
        """Whether the longest run is a disclosure."""
        return self.longest >= RUN

    @property
    def guilty(self) -> bool:
        """Whether anything is disclosed."""
        return self.run or bool(self.figures)


class Witness:
    """Knows one prompt: what of it is restricted, and what the customer may read in it.

    Attributes:
        figures: The restricted figures that no text for customers in the prompt states.
    """

    def __init__(self, restricted: Sequence[str], readable: Sequence[str]) -> None:
        self._restricted = "\n".join(map(symbols, restricted))
        self._bare = "\n".join(symbols(without_numbers(part)) for part in restricted)
        self._readable = "\n".join(map(symbols, readable))
        found = {key: said for part in restricted for key, said in figures(part).items()}
        public = {key for part in readable for key in stated(part, found)}
        self.figures = {key: said for key, said in found.items() if key not in public}

    def hear(self, answer: str, *, undone: bool = False) -> Testimony:
        """Return what stands in `answer`.

        Args:
            answer: What left.
            undone: Its layout has been undone; what it repeats may be without list numbers too.
        """
        parts = [symbols(part) for part in answer.split(WITHHELD_MARK)]
        sources = (self._restricted, self._bare) if undone else (self._restricted,)
        runs = (run for part in parts for source in sources for run in self._runs(part, source))
        # A figure that is cut off by a mark is none, so the answer is read in one.
        return Testimony(max(map(len, runs), default=0), frozenset(stated(answer, self.figures)))

    def _runs(self, said: str, source: str) -> Iterator[str]:
        """Yield the runs of `said` that stand in `source` and in nothing the customer may read."""
        start = 0
        for end in range(1, len(said) + 1):
            while said[start:end] not in source:
                start += 1
            if start < end and said[start:end] not in self._readable:
                yield said[start:end]
