"""Foreign: a quick look that tells when two texts have nothing in common worth an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.attribution._kgrams import KEPT, LOOKED_UP, SURELY_FOUND, K
from ragtrace.attribution._run import MIN_WHOLE
from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution._views import plain, views

__all__ = ["foreign"]

MOST: Final = 2_000
"""Symbols up to which looking is quicker than an index; a question and its instructions."""

_STEP: Final = KEPT * LOOKED_UP
"""Of as many places in a row one is looked at: every run of SURELY_FOUND holds one."""


def foreign(pieces: Sequence[str], text: str) -> bool:
    """Whether an index of ``pieces`` is sure to find nothing in ``text``.

    ``False`` says nothing: there may be something, or there is too much to look at.
    """
    bones = [skeleton(piece).symbols for piece in pieces]
    if sum(map(len, bones)) > MOST:
        return False
    said = plain(text)
    read = [view.symbols for view in views(text)] if said is None else [said]
    for one in bones:
        if MIN_WHOLE <= len(one) < SURELY_FOUND and any([one in each for each in read]):
            return False
    some = [one[at : at + K] for one in bones for at in range(0, len(one) - K + 1, _STEP)]
    return not any([gram in each for each in read for gram in some])
