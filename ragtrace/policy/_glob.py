"""Glob: whether one pattern fits all that another fits, and a pattern in the words of RE2."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from typing import Final

__all__ = ["as_re2", "covers", "is_plain"]

_SPECIAL: Final = frozenset("*?[")

_MARK: Final = re.compile(r"\*+|\?|\[!?+\]?+[^\]]*+\]|.", re.DOTALL)
"""A star or several, a question mark, a set, or a character; a ``]`` that comes first is in the
set, and a ``[`` that nothing closes is a character, as for ``fnmatch``."""

_NEVER: Final = r"[^\x{0}-\x{10FFFF}]"
"""What fits no character; RE2 has no look-ahead to say so with."""


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


def is_plain(pattern: str) -> bool:
    """Whether ``pattern`` fits itself and nothing else."""
    return not _SPECIAL & set(pattern)


def as_re2(pattern: str) -> str:
    """The regular expression of RE2 that fits what ``fnmatchcase`` fits, newlines included.

    Python's own translation asks for atomic groups and look-ahead, which RE2 has not.
    """
    return rf"\A(?s:{''.join(map(_as_re2, _MARK.findall(pattern)))})\z"


def _as_re2(mark: str) -> str:
    if mark.startswith("*"):
        return ".*"
    if mark == "?":
        return "."
    # What a set means, with its ranges and its odd corners, ``fnmatch`` says itself.
    found = re.escape(mark) if len(mark) == 1 else translate(mark).removeprefix("(?s:")[:-3]
    if found == "(?!)":
        return _NEVER
    if found.startswith("["):
        # A second bracket opens a class such as ``[:alpha:]`` there, and is a character here.
        inner = re.sub(r"\\.|\[", lambda one: one[0].replace("[", r"\["), found[1:-1])
        found = f"[{inner}]"
    return found.replace("\0", r"\x{0}")
