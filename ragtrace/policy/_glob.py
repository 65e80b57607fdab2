"""Glob: whether one pattern fits all that another fits."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

__all__ = ["covers"]

_SPECIAL: Final = frozenset("*?[")


def covers(wider: str | None, narrower: str | None) -> bool:
    """Whether ``wider`` surely fits every text that ``narrower`` fits; ``None`` fits all.

    A yes is certain. A no may be wrong where patterns hold ``?`` or ``[``.
    """
    if wider is None or wider == narrower or set(wider) == {"*"}:
        return True
    if narrower is None:
        return False
    if not _SPECIAL & set(narrower):
        return fnmatchcase(narrower, wider)
    # A star of the narrower pattern can only be taken in by a star of the wider one, and that
    # takes in whatever stands for it. With ``?`` or a set in the wider one, or a set in the
    # narrower, one of their marks could be taken for a letter.
    plain = not _SPECIAL & (set(wider) - {"*"}) and "[" not in narrower
    return plain and fnmatchcase(narrower, wider)
