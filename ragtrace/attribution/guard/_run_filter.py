"""RunFilter: lets a text through but for runs of protected text, holding back little."""

from __future__ import annotations

import unicodedata
from collections import deque
from typing import Final

from ragtrace.attribution._skeleton import fold, skeleton
from ragtrace.attribution.guard._protected import TRIGGER, Protected

__all__ = ["WITHHELD", "RunFilter"]

WITHHELD: Final = "[withheld]"
"""Stands where a passage was withheld."""

_LONG: Final = 32
"""Characters from which folding a delta as one text is quicker than one by one."""


class RunFilter:
    """Filters one text, delta by delta.

    Attributes:
        protected: What may not be said.
        held: Characters not yet released.
        withheld: How often WITHHELD was said.
    """

    __slots__ = ("_bones", "_heard", "_last", "_ranges", "_run", "held", "protected", "withheld")

    def __init__(self, protected: Protected) -> None:
        self.protected = protected
        self.withheld = 0
        self._reset()

    def feed(self, delta: str) -> str:
        """What may leave now, ``delta`` having arrived."""
        if len(delta) < _LONG:
            symbols = "".join(map(fold, delta))
        else:
            symbols = skeleton(delta).symbols
        self.held += delta
        if symbols:
            self._bones += symbols
            self._heard += len(symbols)
            self._listen(len(symbols))
        elif self._run:
            return ""  # blanks wait with the run before them; ten thousand of them cost nothing
        # A run that has reached TRIGGER is in the ranges; its first symbol need not wait.
        return self._release(min(self._run, TRIGGER - 1))

    def close(self) -> str:
        """What was held back and turned out harmless; nothing arrives after it."""
        rest = self._release(0)
        self._reset()
        return rest

    def _reset(self) -> None:
        self.held = ""
        self._bones = ""  # the symbols of what is held
        self._heard = 0  # symbols that have arrived
        self._run = 0  # how many of the last could become a run, TRIGGER at most
        # Symbols that may not leave, in order and disjoint; only those that can still matter.
        self._ranges: deque[tuple[int, int]] = deque()
        self._last = False  # whether the last character that left, left as WITHHELD

    def _listen(self, fresh: int) -> None:
        """Find what the last ``fresh`` symbols begin, continue and complete."""
        protected = self.protected
        said = self._bones[-(self._run + fresh) :]
        before = self._heard - len(said)
        for start, end in sorted(protected.runs(said, len(said) - fresh), key=_ending):
            self._withhold(before + start, before + end)
        self._run = protected.live(said)

    def _withhold(self, start: int, end: int) -> None:
        while self._ranges and self._ranges[-1][1] > start:
            first, last = self._ranges.pop()
            start, end = min(start, first), max(end, last)
        self._ranges.append((start, end))

    def _release(self, keep: int) -> str:
        """Let go of every character but those that carry the last ``keep`` symbols."""
        held, kept = self.held, 0
        cut = len(held)
        while kept < keep:
            cut -= 1
            kept += len(fold(held[cut]))
        if not cut:
            return ""
        start = self._heard - len(self._bones)
        self.held = held[cut:]
        self._bones = self._bones[-kept:] if kept else ""
        if self._ranges or self._last:
            return self._covered(held[:cut], start)
        return held[:cut]

    def _covered(self, text: str, start: int) -> str:
        """``text``, whose first symbol is number ``start``, without what is withheld."""
        out = []
        for char in text:
            end = start + len(fold(char))
            if not self._covers(char, start, end):
                out.append(char)
                self._last = False
            elif not self._last:
                out.append(WITHHELD)
                self.withheld += 1
                self._last = True
            start = end
        return "".join(out)

    def _covers(self, char: str, start: int, end: int) -> bool:
        """Whether a character carries a withheld symbol, or stands between two of one run."""
        while self._ranges and self._ranges[0][1] < start:
            self._ranges.popleft()
        for first, last in self._ranges:
            if first >= end:
                break
            if start < last and (start < end or first < start):
                return True
        # An accent or vowel sign goes with the letter it stands on.
        return self._last and unicodedata.category(char).startswith("M")


def _ending(found: tuple[int, int]) -> int:
    return found[1]
