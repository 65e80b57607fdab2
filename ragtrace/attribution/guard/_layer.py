"""Layer: one layer of escapes, or the list numbers, taken off a text that comes in deltas."""

from __future__ import annotations

import re
from typing import Final

from ragtrace.attribution._escapes import ESCAPE, OPEN_ESCAPE, TRIGGERS, unescape

__all__ = ["ESCAPING", "STIRRING", "Layer", "Place", "layers", "undone", "unnumbered"]

Place = tuple[int, int]
"""Where a character or symbol of a stream begins and ends, counted in characters."""

DEPTH: Final = 2
"""Layers of escapes that are taken off a stream: a tool's arguments are JSON, and what a field of
them holds may be JSON again."""

ESCAPING: Final = re.compile(f"[{re.escape(TRIGGERS)}]")
"""What an escape begins with."""

_BREAK: Final = re.compile(r"\n")
STIRRING: Final = re.compile(f"[{re.escape(TRIGGERS)}\n]")
"""What wakes any layer: the beginning of an escape or of a line."""

_BREAKS: Final = ("\\n", "\\r", "<")
"""How escapes and tags begin behind which a line may begin."""

_ESCAPES: Final = (rf"(?P<closed>{ESCAPE})", rf"(?P<open>{OPEN_ESCAPE})")
_NUMBERS: Final = (
    r"^[^\w\n]{0,8}(?P<closed>\d{1,3}[.)])(?=[\s*_])",
    r"^[^\w\n]{0,8}(?P<open>\d{1,3}[.)]?)",
)
"""The number of a list item, with what stands before it: ``2.``, ``> 3)``, ``**4.**``."""

_NUMBER: Final = re.compile(_NUMBERS[0], re.MULTILINE)
_LINE: Final = re.compile(r"(?:^|\n)[^\w\n]{0,8}\Z")
"""A line as far as it has come, where a list number may yet come in it."""

_WITHIN: Final = "x"
"""Stands for a line in which none may."""


class Layer:
    """What a text reads as, delta by delta, with one layer taken off.

    Args:
        closed: Pattern of what is taken off, as the group of that name.
        opened: Pattern of what may become that at the end of a text, as the group ``open``.
        lines: Whether either stands at the beginning of a line.
    """

    __slots__ = ("_before", "_closed", "_either", "_lines", "_pending", "_places")

    def __init__(self, closed: str, opened: str, *, lines: bool = False) -> None:
        self._lines = lines
        self._closed = re.compile(closed, re.MULTILINE)
        self._either = re.compile(rf"(?:{opened})\Z|{closed}", re.MULTILINE)
        self._before = "" if lines else _WITHIN  # the line as far as it has come
        self._pending = ""  # what may become something to take off
        self._places: list[Place] = []  # of what is pending

    @property
    def sleeps(self) -> bool:
        """Whether a delta leaves as it comes, and changes nothing, unless it is STIRRING."""
        return not self._pending and self._before == _WITHIN

    @property
    def begins(self) -> int | None:
        """Where in the stream begins what is not yet read, if anything."""
        return self._places[0][0] if self._places else None

    def feed(self, text: str, places: list[Place], *, final: bool) -> tuple[str, list[Place], bool]:
        """What ``text`` reads as, the places of its characters, and whether anything was met.

        Args:
            text: What has come.
            places: Of its characters.
            final: Nothing comes after it.
        """
        if self.sleeps and not (_BREAK if self._lines else ESCAPING).search(text):
            return text, places, False
        shift = reached = len(self._before)
        seen, origin = self._before + self._pending + text, self._places + places
        kept, met = len(seen), False
        out: list[str] = []
        come: list[Place] = []
        for found in (self._closed if final else self._either).finditer(seen):
            met = True
            if found.lastgroup == "open":
                kept = found.start("open")
                break
            start, end = found.span("closed")
            read = _read(found["closed"])
            out += [seen[reached:start], read]
            come += origin[reached - shift : start - shift]
            come += [(origin[start - shift][0], origin[end - shift - 1][1])] * len(read)
            reached = end
        out.append(seen[reached:kept])
        come += origin[reached - shift : kept - shift]
        self._pending, self._places = seen[kept:], origin[kept - shift :]
        if self._lines:
            line = _LINE.search(seen, max(0, kept - 9), kept)
            self._before = line[0] if line else _WITHIN
        return "".join(out), come, met


def _read(found: str) -> str:
    """What is read for something that is taken off."""
    if found[0].isdigit():
        return " "
    return "\n" if found.startswith(_BREAKS) else unescape(found)


def layers() -> list[Layer]:
    """What is taken off a stream, each from what the one before it leaves."""
    return [*(Layer(*_ESCAPES) for _ in range(DEPTH)), Layer(*_NUMBERS, lines=True)]


def undone(text: str, *, final: bool) -> tuple[str, list[Place]]:
    """``text`` without its escapes, and the places of its characters.

    Unless it is ``final``, what may be the beginning of an escape at its end is left out.
    """
    places = list(enumerate(range(1, len(text) + 1)))
    for _ in range(DEPTH):
        text, places, _met = Layer(*_ESCAPES).feed(text, places, final=final)
    return text, places


def unnumbered(text: str) -> str:
    """``text`` with blanks in place of its list numbers."""
    return _NUMBER.sub(
        lambda found: found[0].removesuffix(found["closed"]) + " " * len(found["closed"]), text
    )
