"""Reading: some messages, in all their views, as one row of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ragtrace.attribution._fold import Codes, Places
from ragtrace.attribution._kgrams import Hashes
from ragtrace.attribution._views import View, views
from ragtrace.model import Message

__all__ = ["PADDING", "Reading", "padded", "read"]

PADDING: Final = 32
"""Symbols before and behind every row, so that comparing a block of them never runs out of it."""

_BETWEEN: Final = "\x00"
"""Stands between two views; no text folds to it, and no row of chunks has it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Messages as one row of symbols.

    Attributes:
        texts: Of the messages.
        symbols: The views' symbols behind each other, with padding.
        codes: The same as code points.
        starts: Where in ``symbols`` each view begins, ascending.
        views: For each, the index of its message and the view.
        hashes: Of the places that are looked up, by where each block of them begins: one reading
            is looked through for documents, and for completions.
    """

    texts: tuple[str, ...]
    symbols: str
    codes: Codes
    starts: Places
    views: tuple[tuple[int, View], ...]
    hashes: dict[int, Hashes] = field(default_factory=dict, repr=False, compare=False)

    def view_of(self, places: Places) -> Places:
        """The number of the view that each place is in."""
        return np.searchsorted(self.starts, places, "right") - 1

    def message_of(self, places: Places) -> Places:
        """The number of the message that each place is in."""
        if len(self.views) == 1:
            return np.zeros_like(places)
        return np.array([number for number, _ in self.views], np.int64)[self.view_of(places)]

    def characters(self, start: Places, end: Places) -> tuple[Places, Places]:
        """For each stretch of symbols the characters of its message that they came from."""
        number = self.view_of(start)
        order = number.argsort(kind="stable")
        counts = np.bincount(number)
        begin, stop = np.empty_like(start), np.empty_like(end)
        reached = 0
        for view in counts.nonzero()[0].tolist():
            here = order[reached : reached + counts[view]]
            base = self.starts[view]
            ranges = self.views[view][1].characters(start[here] - base, end[here] - base)
            begin[here], stop[here] = ranges
            reached += counts[view]
        return begin, stop


def read(messages: Sequence[Message]) -> Reading:
    """Every view of every message."""
    seen = [(number, view) for number, one in enumerate(messages) for view in views(one.text)]
    symbols, starts = padded([view.symbols for _, view in seen], _BETWEEN)
    if symbols.isascii():
        codes = np.frombuffer(symbols.encode(), np.uint8).astype(np.uint32)
    else:
        codes = np.frombuffer(symbols.encode("utf-32-le"), np.uint32)
    texts = tuple(message.text for message in messages)
    return Reading(texts, symbols, codes, np.array(starts, np.int64), tuple(seen))


def padded(rows: Sequence[str], between: str) -> tuple[str, list[int]]:
    """The rows behind each other, with padding around and one symbol between, and their starts."""
    starts, at = [], PADDING
    for row in rows:
        starts.append(at)
        at += len(row) + 1
    return between * PADDING + between.join(rows) + between * PADDING, starts
