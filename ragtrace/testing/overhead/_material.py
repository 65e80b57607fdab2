"""Material: what the measured application finds, is asked and answers."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

__all__ = ["ANSWER_WORDS", "DELTA_WORDS", "LONG_ANSWER_WORDS", "Passage", "Shelf"]

PASSAGES: Final = 64
"""From which a search brings some: after a few calls all are known, as in an application that
runs."""
CHARACTERS: Final = 1_200
"""Of one: what splitters make."""
ANSWER_WORDS: Final = 200
"""Of an answer, which is also streamed in as many deltas."""
LONG_ANSWER_WORDS: Final = 1_000
"""Of an answer that comes in as many deltas, or in fewer of DELTA_WORDS."""
DELTA_WORDS: Final = 5
_WORDS: Final = 4_000
_SEED: Final = 20_261_121


class Passage(NamedTuple):
    """What lies on the shelf."""

    id: str
    text: str


class Shelf:
    """Passages and answers of made-up words; every search and answer is another one.

    Args:
        k: Passages that a search brings.
        seed: With another one everything is another; what it says is in nothing else.
    """

    def __init__(self, k: int, seed: int = 0) -> None:
        made = random.Random(_SEED + seed)
        letters = "abcdefghijklmnoprstuvw"
        self._words = ["".join(made.choices(letters, k=made.randint(2, 10))) for _ in range(_WORDS)]
        self._drawn = made
        self.passages = [Passage(f"passage-{n}", self._text()) for n in range(PASSAGES)]
        self._k = k
        self._searches = 0
        self._said, self._each = ANSWER_WORDS, 1

    def search(self) -> list[Passage]:
        """``k`` passages, from another place each time."""
        self._searches += 1
        start = self._searches * 7
        return [self.passages[(start + place) % PASSAGES] for place in range(self._k)]

    def question(self, number: int) -> str:
        """One that nobody asked before."""
        return f"Question {number}: {' '.join(self._drawn.choices(self._words, k=12))}?"

    def speak(self, words: int, each: int) -> None:
        """Answer from now on in so many words, so many in ``each`` delta."""
        self._said, self._each = words, each

    def answer(self) -> list[str]:
        """The deltas of an answer: words, each with the space after it."""
        words = [f"{word} " for word in self._drawn.choices(self._words, k=self._said)]
        each = self._each
        return ["".join(words[at : at + each]) for at in range(0, len(words), each)]

    def _text(self) -> str:
        text = ""
        while len(text) < CHARACTERS:
            text += f"{' '.join(self._drawn.choices(self._words, k=12)).capitalize()}. "
        return text.strip()
