"""Spelling: the atoms a text is made of, and what different ways to write them have in common.

A literal is compared atom by atom: a run of letters, a number, a currency sign. Case, width,
invisible characters and what stands between atoms do not count; ``1,250.00`` is ``1250``, and
``dollars`` is ``$`` where an amount is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ragtrace.attribution._skeleton import fold

__all__ = [
    "ATOM",
    "CURRENCIES",
    "GAP",
    "MARKS",
    "SCALES",
    "SIGNS",
    "START",
    "STARTS",
    "Levelled",
    "forms",
    "head",
    "is_open",
    "levelled",
    "scale_starts",
    "shifted",
    "value",
]

_BREAK: Final = "\x00"
"""Stands for a letter of a script that puts no spaces between words: a word ends at it."""

_CURRENCY_WORDS: Final = {
    "$": "usd dollar dollars buck bucks cad aud nzd sgd hkd peso pesos mxn",
    "€": "eur euro euros",
    "£": "gbp pound pounds quid sterling",
    "¥": "jpy yen cny rmb yuan",
    "₹": "inr rupee rupees rs",
    "₣": "chf franc francs",
    "Kr": "kr sek nok dkk krona kronor krone kroner",
    "₽": "rub rouble roubles ruble rubles",
    "₿": "btc bitcoin bitcoins",
    "₺": "lira liras",
    "₩": "krw",
    "Zl": "pln zloty zlotys",
    "¢": "cent cents",
}
"""By what stands for them, a sign where there is one. Codes that are English words (TRY, ALL,
WON) are left out; what is called a dollar or a peso is one currency, since ``$`` does not tell
them apart."""

CURRENCIES: Final = {
    **{sign: sign for sign in _CURRENCY_WORDS if len(sign) == 1},
    **{word: sign for sign, words in _CURRENCY_WORDS.items() for word in words.split()},
    **{"元": "¥", "円": "¥"},
}
"""The sign of every word or sign that makes a number an amount."""

SCALES: Final = {
    **dict.fromkeys(("k", "thousand"), "K"),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions"), "M"),
    **dict.fromkeys(("b", "bn", "billion", "billions"), "B"),
    **dict.fromkeys(("trillion", "trillions"), "T"),
}
"""Words that multiply the number before them. In capitals no atom looks like them."""

_MARKS: Final = {**CURRENCIES, **SCALES}

STARTS: Final = {
    word[:size]: tuple({sign for other, sign in _MARKS.items() if other.startswith(word[:size])})
    for word in _MARKS
    for size in range(1, len(word) + 1)
}
"""What the beginning of a word can still become."""

SIGNS: Final = "".join(sign for sign in CURRENCIES if len(sign) == 1)
"""Every currency sign, for a character class."""

MARKS: Final = ".,'\u2019"
"""What stands within a number, between thousands and before a fraction."""

_NUMBER: Final = rf"\d+(?:[{MARKS}]\d+)*"
_LETTERS: Final = r"[^\W\d_]+(?:_[^\W\d_]+)*"

ATOM: Final = re.compile(rf"{_NUMBER}|{_LETTERS}|[{SIGNS}]")
"""A number with the marks inside it, letters with single underscores, or a currency sign."""

START: Final = re.compile(
    rf"(?<![^\W_])(?:(?<!\d[{MARKS}]){_NUMBER}|(?<![^\W\d_]_){_LETTERS})|[{SIGNS}]"
)
"""An atom that a literal may begin with: not within a longer word or number."""

GAP: Final = re.compile(rf"(?:(?![.,;:!?]\s|\s\|)(?:[^\w{_BREAK}{SIGNS}]|_){{1,3}})?")
"""What may stand between two atoms of one literal: up to three marks or spaces (``) ``, `` - ``),
but not the end of a sentence, of a list item or of a cell."""

_MARK: Final = re.compile(rf"[{MARKS}]")
_NUMBER_GOES_ON: Final = ("", *MARKS)
_SCALE_MARKS: Final = frozenset(SCALES.values())
_FRACTION: Final = re.compile(rf"[{MARKS}](\d{{1,2}})$")
_CODE_POINTS_KEPT: Final = 8192
"""Code points remembered, as many as the skeleton keeps."""


class Levelled:
    """A text as ``seen`` by a filter, and the way back.

    Args:
        text: What is looked at.
        before: What was seen before it; it stands in front.
        places: Where its characters began, one more than there are; as they stand, if not given.
    """

    __slots__ = ("_offsets", "_places", "_shift", "seen")

    def __init__(self, text: str, before: str, places: Sequence[int] | None = None) -> None:
        self._shift = len(before)
        self._places = range(len(text) + 1) if places is None else places
        self._offsets: list[int] | None = None
        if text.isascii():
            self.seen = before + text.lower()
            return
        levels = list(map(_level, text))
        self.seen = before + "".join(levels)
        self._offsets = [place for place, chars in enumerate(levels) for _ in chars]
        self._offsets.append(len(text))

    def offset(self, place: int) -> int:
        """The character of the text that ``place`` of ``seen`` came from."""
        place -= self._shift
        return self._places[place if self._offsets is None else self._offsets[place]]


def levelled(text: str) -> str:
    """``text`` without case, width and invisible characters; character by character."""
    return text.lower() if text.isascii() else "".join(map(_level, text))


@lru_cache(maxsize=_CODE_POINTS_KEPT)
def _level(char: str) -> str:
    """What one character counts as: nothing, one character or a few letters."""
    if char in CURRENCIES:
        return char
    symbols = fold(char)
    if not symbols:
        plain = unicodedata.normalize("NFKC", char)
        invisible = unicodedata.category(char) in {"Mn", "Me", "Cf"}
        return "" if invisible else plain if len(plain) == 1 else " "
    if unicodedata.category(char) == "Lo" or not (len(symbols) == 1 or symbols.isalpha()):
        return _BREAK
    return symbols


def value(number: str) -> str:
    """A number without the marks inside it: ``1,250.00`` is 1250, ``3,5`` is 3.5.

    One or two digits behind the last mark are a fraction, three are thousands.
    """
    found = _FRACTION.search(number)
    fraction = found[1].rstrip("0") if found else ""
    whole = number[: found.start()] if found else number
    digits = "".join(filter(str.isdigit, whole))
    return f"{digits}.{fraction}" if fraction else digits


def forms(atom: str) -> tuple[str, ...]:
    """What a whole atom can mean: itself, and a currency or a scale."""
    if atom[0].isdigit():
        return (value(atom),)
    atom = atom.replace("_", "")
    mark = _MARKS.get(atom)
    return (atom,) if mark is None or mark == atom else (atom, mark)


def head(atom: str) -> tuple[str, ...]:
    """What is certain of an atom that may still go on."""
    if not atom[0].isdigit():
        return (atom.replace("_", ""), *STARTS.get(atom, ()))
    *groups, last = _MARK.split(atom)
    # One or two digits behind a mark may turn out a fraction of nothing.
    certain = groups if groups and len(last) <= 2 else [*groups, last]
    return ("".join(certain),)


def is_open(seen: str, atom: str, end: int) -> bool:
    """Whether an atom that ends at ``end`` may go on with what comes after ``seen``."""
    if end < len(seen) - 1:
        return False
    return seen[end:] in _NUMBER_GOES_ON if atom[0].isdigit() else seen[end:] in ("", "_")


def scale_starts(atom: str) -> bool:
    """Whether an atom may become a word that multiplies the number before it."""
    return any(mark in _SCALE_MARKS for mark in STARTS.get(atom, ()))


def shifted(number: str, zeros: int) -> str:
    """A number as ``value`` gives it, times ten to the power of ``zeros``."""
    whole, _, fraction = number.partition(".")
    digits, point = whole + fraction, len(whole) + zeros
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    digits = digits.ljust(point, "0")
    fraction = digits[point:].rstrip("0")
    return f"{digits[:point]}.{fraction}" if fraction else digits[:point]
