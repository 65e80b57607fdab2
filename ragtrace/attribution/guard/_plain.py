"""Plain: text whose symbols can be counted and need not be placed one by one.

It is ASCII, so that a character has one symbol or none, and no layer stirs in it.
"""

from __future__ import annotations

from typing import Final

from ragtrace.attribution.guard._layer import STIRRING

__all__ = ["place_of", "plain_symbols"]

_CHARS: Final = bytes(range(128)).decode()
_STIRS: Final = b"\x00"
_ONE: Final = b"\x01"

_FOLDED: Final = bytes(
    ord(_STIRS) if STIRRING.match(char) else ord(char.lower()) for char in _CHARS
).ljust(256, _STIRS)
_DROPPED: Final = bytes(
    ord(char) for char in _CHARS if not (char.isalnum() or STIRRING.match(char))
)
_COUNTED: Final = bytes(char.isalnum() for char in _CHARS).ljust(256, _STIRS)


def plain_symbols(text: str) -> str | None:
    """The symbols of ``text``; ``None`` if it is not plain."""
    if not text.isascii():
        return None
    symbols = text.encode().translate(_FOLDED, _DROPPED)
    return None if _STIRS in symbols else symbols.decode()


def place_of(text: str, live: int) -> int:
    """Where in plain ``text`` its last ``live`` symbols begin; it has so many."""
    return len(text.encode().translate(_COUNTED).rsplit(_ONE, live)[0])
