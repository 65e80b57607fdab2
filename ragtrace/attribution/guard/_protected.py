"""Protected: texts that may not be said, kept so that a stream can ask about them quickly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ragtrace.attribution._run import MIN_WHOLE
from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution.guard._layer import unnumbered

__all__ = ["TRIGGER", "Protected", "protect"]

TRIGGER: Final = 48
"""Symbols of protected text in a row that may not be said: at 48, answers share a run with
documents they were not made from in 0 to 0.7 % of cases, all of them shared text (MTRAG)."""

_GRAM: Final = MIN_WHOLE
"""Symbols in a gram. Nothing protected is shorter than a gram. At 8, one place in fifty of a
strange answer is a gram of 8 KB, one in five of 140 KB; a set lookup takes 0.03 us there, a
search of the text 4 and 50 us."""

_PIECE: Final = 4
"""Symbols in a piece, for the matches that are shorter than a gram. With pieces 4 characters are
held back (median) instead of 7. Grams and pieces are ready in 3 ms for 20 KB, 30 ms for 140."""

_EXACT: Final = 20_000
"""Symbols up to which a match longer than a gram is measured by searching: 8 us a search at
most, needed for one delta in twenty. Beyond, grams that follow one another count as one."""

_REMEMBERED: Final = 4
"""Sets of passages kept ready: the channels of one call, and the calls of one conversation,
ask for the same. Ready, 20 KB take 2 MB and 140 KB take 10 MB of memory."""

_FEW: Final = 16
"""Passages of which each is asked for a stretch by itself: 0.04 us for each, where it takes 180 us
for each to put them together. An answer has some hundreds of deltas, each of which asks twice."""

_BETWEEN: Final = "\x00"
"""Joins protected texts; no skeleton contains it, so no match can run across two."""

KEPT_PASSAGES: Final = 256
"""Stretches of passages that are kept, for the passages that are found again and again: 70 KB for
one of 1,000 symbols, so some 18 MB where guards are armed."""

LONGEST_KEPT: Final = 4_096
"""Symbols of one."""


class Protected:
    """Passages that may not be said, with their list numbers or without.

    Args:
        passages: Those with fewer than MIN_WHOLE symbols are left out, because they would be
            found in any answer.

    Attributes:
        shorts: The symbols of those with fewer than TRIGGER, none of which may be said whole.
    """

    __slots__ = ("_grams", "_lengths", "_pieces", "_tails", "_text", "shorts")

    def __init__(self, passages: tuple[str, ...]) -> None:
        texts = (*passages, *map(unnumbered, passages))
        bones = dict.fromkeys(skeleton(text).symbols for text in texts)
        kept = [symbols for symbols in bones if len(symbols) >= MIN_WHOLE]
        self._text = _BETWEEN.join(kept)
        # What would reach over two passages is in no text, so that each can be cut by itself.
        self._grams = _together([_cut(symbols, _GRAM) for symbols in kept])
        self._pieces = _together([_cut(symbols, _PIECE) for symbols in kept])
        self.shorts = frozenset(symbols for symbols in kept if len(symbols) < TRIGGER)
        self._lengths = sorted({len(symbols) for symbols in self.shorts}, reverse=True)
        self._tails = frozenset(symbols[-_GRAM:] for symbols in self.shorts)

    def __bool__(self) -> bool:
        """Whether there is anything to protect."""
        return bool(self._text)

    def live(self, said: str, begun: int) -> int:
        """Symbols at the end of ``said`` that could still become a protected run.

        At most TRIGGER. Never fewer than the longest suffix that is found in a passage; as
        many, where that is at least a gram and the passages are small.

        Args:
            said: Symbols of a text, in a row.
            begun: Symbols of them that were live before the others came.
        """
        if not _any_has(self._pieces, said[-_PIECE:]):  # as mostly
            return min(len(said), _PIECE - 1)
        place = len(said)
        # Every gram of what was live is a passage's.
        least = max(_GRAM, place - TRIGGER + _GRAM, begun + 1)
        while place >= least and _any_has(self._grams, said[place - _GRAM : place]):
            place -= 1
        if place < least and len(said) >= _GRAM:
            bound = min(len(said), TRIGGER)
        elif place < len(said):
            bound = len(said) - place + _GRAM - 1
        else:
            return self._scrap(said)
        # Grams that follow one another are not yet a run: what looks like one is looked up.
        if bound > _GRAM and (bound == TRIGGER or len(self._text) <= _EXACT):
            return self._longest(said, bound)
        return bound

    def runs(self, said: str, begun: int) -> Iterator[tuple[int, int]]:
        """Where protected runs and short passages stand in ``said``, in no order.

        Args:
            said: Symbols of a text, in a row.
            begun: Symbols of them that were live before the others came, and so looked through;
                what ends there is left out.
        """
        if self.shorts:
            yield from self._whole(said, begun)
        end = max(begun + 1, TRIGGER)
        while end <= len(said):
            foreign = self._foreign(said, end, begun)
            if foreign:
                end = foreign - _GRAM + 1 + TRIGGER  # a run begins behind the foreign gram's head
                continue
            window = said[end - TRIGGER : end]
            found = self._text.find(window)
            if found < 0:
                end += TRIGGER - self._longest(window, TRIGGER)
                continue
            start, end = end - TRIGGER, self._extended(said, end, found + TRIGGER)
            yield start, end
            end += 1

    def ends_short(self, said: str, begun: int) -> bool:
        """Whether a short passage may end in ``said`` behind its first ``begun`` symbols."""
        return any(self._whole(said, begun))

    def _foreign(self, said: str, end: int, begun: int) -> int:
        """Where the last gram ends, of the TRIGGER symbols to ``end``, that is in no passage."""
        for place in range(end, max(begun, end - TRIGGER + _GRAM - 1), -1):
            if not _any_has(self._grams, said[place - _GRAM : place]):
                return place
        return 0

    def _extended(self, said: str, end: int, place: int) -> int:
        """How far ``said`` from ``end`` goes on like the protected text from ``place``."""
        text, last = self._text, len(self._text)
        while end < len(said) and place < last and said[end] == text[place]:
            end, place = end + 1, place + 1
        return end

    def _whole(self, said: str, begun: int) -> Iterator[tuple[int, int]]:
        for end in range(max(begun + 1, _GRAM), len(said) + 1):
            if said[end - _GRAM : end] not in self._tails:
                continue
            for length in self._lengths:
                if length <= end and said[end - length : end] in self.shorts:
                    yield end - length, end
                    break

    def _scrap(self, said: str) -> int:
        """Like ``live`` where not even a gram is found."""
        place = len(said)
        least = max(_PIECE, place - _GRAM + _PIECE + 1)
        while place >= least and _any_has(self._pieces, said[place - _PIECE : place]):
            place -= 1
        return min(len(said) - place + _PIECE - 1, len(said))

    def _longest(self, said: str, bound: int) -> int:
        """Length of the longest suffix that is found, a gram at least and ``bound`` at most."""
        size, low = len(said), _GRAM
        if said[size - bound :] in self._text:
            return bound
        bound -= 1
        while low < bound:
            middle = (low + bound + 1) // 2
            if said[size - middle :] in self._text:
                low = middle
            else:
                bound = middle - 1
        return low


@lru_cache(maxsize=_REMEMBERED)
def protect(passages: tuple[str, ...]) -> Protected:
    """The passages made ready; they stay in memory until others have taken their place."""
    return Protected(passages)


def _together(sets: list[frozenset[str]]) -> tuple[frozenset[str], ...]:
    return tuple(sets) if len(sets) <= _FEW else (frozenset().union(*sets),)


def _any_has(sets: tuple[frozenset[str], ...], stretch: str) -> bool:
    for one in sets:
        if stretch in one:
            return True
    return False


def _cut(symbols: str, size: int) -> frozenset[str]:
    """Every stretch of ``size`` symbols."""
    return (_kept_stretches if len(symbols) <= LONGEST_KEPT else _stretches)(symbols, size)


def _stretches(symbols: str, size: int) -> frozenset[str]:
    codes = np.frombuffer(symbols.encode("utf-32-le"), np.uint32)
    rows = np.ascontiguousarray(sliding_window_view(codes, size))
    found: list[str] = rows.view(f"<U{size}").ravel().tolist()
    return frozenset(found)


_kept_stretches = lru_cache(KEPT_PASSAGES)(_stretches)
