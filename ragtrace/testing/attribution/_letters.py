"""Letters: which texts share a run, found out apart from the judges that are measured."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["SHARED", "Present", "letters", "windows"]

SHARED: Final = 32
"""Letters and digits in a row that make two texts share something: as many as the shortest
run that the matcher reports, so that whatever shares less is a fair negative."""

_NOT_A_LETTER: Final = re.compile(r"[\W_]+")


def letters(text: str) -> str:
    """Letters and digits of ``text``, folded; by the standard library, not by our own fold."""
    return _NOT_A_LETTER.sub("", unicodedata.normalize("NFKD", text).casefold())


def windows(text: str, size: int = SHARED) -> set[str]:
    """Every run of ``size`` letters of ``text``."""
    said = letters(text)
    return {said[at : at + size] for at in range(len(said) - size + 1)}


class Present:
    """What stands in a prompt, to ask whether anything of a text does.

    Args:
        texts: The prompt, and the documents in it as they were before they were rendered: a
            rendering such as base64 hides what is nevertheless there.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._said: list[str] = []
        self._windows: set[str] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Put in a text."""
        said = letters(text)
        self._said.append(said)
        self._windows.update(said[at : at + SHARED] for at in range(len(said) - SHARED + 1))

    def shares(self, text: str) -> bool:
        """Whether a run of SHARED letters of ``text`` is there, or all of it if it is shorter."""
        said = letters(text)
        if len(said) < SHARED:
            return any(said in other for other in self._said)
        return not self._windows.isdisjoint(
            said[at : at + SHARED] for at in range(len(said) - SHARED + 1)
        )
