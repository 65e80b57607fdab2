"""RunFilter: lets a text through but for runs of protected text, holding back little."""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterator
from itertools import compress
from typing import Final

from ragtrace.attribution._skeleton import fold, skeleton
from ragtrace.attribution.guard._layer import STIRRING, Place, layers
from ragtrace.attribution.guard._plain import place_of, plain_symbols
from ragtrace.attribution.guard._protected import TRIGGER, Protected
from ragtrace.attribution.guard._reading import Reading

__all__ = ["WITHHELD", "RunFilter"]

WITHHELD: Final = "[withheld]"
"""Stands where a passage was withheld."""

_LONG: Final = 32
"""Characters from which folding a delta as one text is quicker than one by one."""


class RunFilter:
    """Filters one text, delta by delta.

    It is read as it stands, and with each layer taken off; a run in any reading is withheld.

    Attributes:
        protected: What may not be said.
        held: Characters not yet released.
        withheld: How often WITHHELD was said.
    """

    __slots__ = (
        "_begun",
        "_last",
        "_layers",
        "_others",
        "_plain",
        "_ranges",
        "_stands",
        "_still",
        "held",
        "protected",
        "withheld",
    )

    def __init__(self, protected: Protected) -> None:
        self.protected = protected
        self.withheld = 0
        self._reset()

    def feed(self, delta: str) -> str:
        """What may leave now, ``delta`` having arrived."""
        if self._plain:
            if (out := self._counted(delta)) is not None:
                return out
            self._settle()
        self._hear(delta, final=False)
        return self._release()

    def close(self) -> str:
        """What was held back and turned out harmless; nothing arrives after it."""
        if self._plain:
            self._settle()
        self._hear("", final=True)
        rest = self._covered(self.held, self._begun)
        self._reset()
        return rest

    def _reset(self) -> None:
        self.held = ""
        self._begun = 0  # characters that were released
        self._stands = Reading(self.protected)  # the text as it stands
        self._layers = layers()
        # The text with each layer taken off, where that has lately made a difference.
        self._others: list[Reading | None] = [None for _ in self._layers]
        self._still = False  # whether nothing but the first reading need hear a common delta
        self._plain = False  # whether, besides, what is held is plain and what is live of it
        self._ranges: deque[Place] = deque()  # what may not leave, in order and disjoint
        self._last = False  # whether the last character that left, left as WITHHELD

    def _counted(self, delta: str) -> str | None:
        """What may leave, found by counting alone; ``None``, and nothing heard, if it cannot be."""
        symbols = plain_symbols(delta)
        live = None if symbols is None else self._stands.grows(symbols)
        if live is None:
            return None
        text = self.held + delta
        cut = place_of(text, live)
        self.held = text[cut:]
        self._begun += cut
        return text[:cut]

    def _settle(self) -> None:
        """Place what was only counted."""
        self._stands.stand(_folded(self.held, _placed(self.held, self._begun))[1])

    def _hear(self, delta: str, *, final: bool) -> None:
        """Find what ``delta`` begins, continues and completes, in every reading."""
        begun = self._begun + len(self.held)
        self.held += delta
        places = _placed(delta, begun)
        # These begin as the first reading stands now, so they are made before it hears more.
        others = []
        if not self._still or STIRRING.search(delta):
            others = list(self._undone(delta, places, final=final))
        found = self._stands.hear(*_folded(delta, places))
        for reading, symbols, stand in others:
            found += reading.hear(symbols, stand)
        if found:
            self._withhold(found)

    def _undone(
        self, text: str, places: list[Place], *, final: bool
    ) -> Iterator[tuple[Reading, str, list[Place]]]:
        """What is to be heard in each further reading that is of use now."""
        like = self._stands
        for depth, layer in enumerate(self._layers):
            text, places, met = layer.feed(text, places, final=final)
            reading = self._others[depth]
            if met and reading is None:
                reading = Reading(self.protected, like)
            elif not met and reading is not None and reading.alike >= TRIGGER:
                reading = None  # what it hears from here on, the one before it hears as well
            self._others[depth] = reading
            if reading is not None:
                symbols, stand = _folded(text, places)
                reading.alike = -len(symbols) if met else reading.alike
                like = reading
                yield reading, symbols, stand
        self._still = not any(self._others) and all(layer.sleeps for layer in self._layers)

    def _withhold(self, found: list[Place]) -> None:
        ranges, self._ranges = self._ranges, deque()
        for start, end in sorted([*ranges, *found]):
            if self._ranges and start < self._ranges[-1][1]:
                first, last = self._ranges.pop()
                start, end = first, max(end, last)
            self._ranges.append((start, end))

    def _release(self) -> str:
        """Let go of every character before those that are still waited for."""
        held, start = self.held, self._begun
        waiting = self._stands.begins if self._still else self._waiting()
        self._begun = start + len(held) if waiting is None else waiting
        cut = self._begun - start
        self.held = held[cut:]
        out = held[:cut]
        if cut and (self._ranges or self._last):
            out = self._covered(out, start)
        self._plain = self._still and not (self._ranges or self._last) and self.held.isascii()
        return out

    def _waiting(self) -> int | None:
        """Where begins what any reading or layer still waits for, if anything."""
        readings = [self._stands, *(one for one in self._others if one is not None)]
        every = [*(one.begins for one in readings), *(one.begins for one in self._layers)]
        return min((at for at in every if at is not None), default=None)

    def _covered(self, text: str, start: int) -> str:
        """``text``, which begins at ``start`` of the stream, without what is withheld."""
        out = []
        for place, char in enumerate(text, start):
            if not self._covers(char, place):
                out.append(char)
                self._last = False
            elif not self._last:
                out.append(WITHHELD)
                self.withheld += 1
                self._last = True
        return "".join(out)

    def _covers(self, char: str, place: int) -> bool:
        """Whether a character carries a withheld symbol, or stands between two of one run."""
        while self._ranges and self._ranges[0][1] <= place:
            self._ranges.popleft()
        if self._ranges and self._ranges[0][0] <= place:
            return True
        # An accent or vowel sign goes with the letter it stands on.
        return self._last and unicodedata.category(char).startswith("M")


def _placed(text: str, begun: int) -> list[Place]:
    """The places of the characters of ``text``, which begins at ``begun``."""
    return list(enumerate(range(begun + 1, begun + len(text) + 1), begun))


def _folded(text: str, places: list[Place]) -> tuple[str, list[Place]]:
    """The symbols of ``text``, and of each the place of its character."""
    if len(text) >= _LONG:
        bones = skeleton(text)
        return bones.symbols, [places[at] for at in bones.offsets().tolist()]
    folded = list(map(fold, text))
    symbols, stand = "".join(folded), list(compress(places, folded))
    if len(symbols) > len(stand):  # a character has several
        stand = [place for some, place in zip(folded, places, strict=True) for _ in some]
    return symbols, stand
