"""Marks: what stands in for a chunk that was blocked when it was retrieved."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from ragtrace.capture._lock import Lock
from ragtrace.model import Chunk, Decision

__all__ = ["Marks"]

REMEMBERED: Final = 4096
"""Blocked chunks whose marks are remembered; a mark that is forgotten stands for no text."""

_OPENING: Final = "[ragtrace:blocked:"
_MARK: Final = _OPENING + "{token}]"


class Marks:
    """Texts that stand for blocked chunks. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._marks: OrderedDict[str, tuple[Chunk, Decision]] = OrderedDict()

    def make(self, chunk: Chunk, decision: Decision) -> str:
        """A text to stand for ``chunk``, which blocks whatever prompt it reaches.

        The mark holds no document text. It travels through the application as the chunk
        would have, and nobody can make one up.
        """
        text = _MARK.format(token=secrets.token_hex(16))
        with self._lock:
            self._marks[text] = (chunk, decision)
            while len(self._marks) > REMEMBERED:
                self._marks.popitem(last=False)
        return text

    def find(self, text: str) -> list[tuple[int, int, Chunk, Decision]]:
        """The marks in ``text``: start, end, and what each stands for."""
        start, found = text.find(_OPENING), []
        while start >= 0:
            end = text.find("]", start) + 1
            with self._lock:
                entry = self._marks.get(text[start:end])
            if entry is not None:
                found.append((start, end, *entry))
            start = text.find(_OPENING, start + 1)
        return found
