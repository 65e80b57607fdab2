"""Literals: the addresses, numbers, codes and amounts of a text that are secrets by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from ragtrace.attribution.guard._protected import TRIGGER
from ragtrace.attribution.guard._spelling import (
    ATOM,
    CURRENCIES,
    MARKS,
    SCALES,
    SIGNS,
    levelled,
    shifted,
    value,
)

__all__ = ["Literal", "literals"]

_KEPT: Final = 512
"""Passages whose literals are remembered, since the same are retrieved again and again: 0.2 ms
each, and 1 MB of text in all."""

_WORDS: Final = "|".join(
    sorted((word for word in CURRENCIES if word.isascii() and word.isalpha()), reverse=True)
)
_SCALES: Final = "|".join(sorted(SCALES, reverse=True))
_NUMBER: Final = rf"\d++(?:[{MARKS}]\d++)*+"
_EDGE, _END = r"(?<![^\W_])", r"(?![^\W_])"
_CURRENCY: Final = rf"(?:[{SIGNS}]|{_EDGE}(?:{_WORDS})(?![^\W\d_]))"

_NAMES: Final = "pin|code|passcode|password|voucher|coupon"
"""Words that make a secret of what follows, however ordinary it looks."""

_NAMED: Final = r"(?:\d{4}|[^\W\d_]+-\d{1,2})"

_SHAPES: Final = re.compile(
    rf"""
    (?P<named>{_EDGE}(?:{_NAMES})\W{{1,3}}(?:is\W{{1,2}})?{_NAMED}{_END})
    | (?P<prose>(?:(?!(?:{_NAMES})\b)[^\W\d_]++[.,;:]?\s++(?=[^\W\d_]))++)  # passed over
    | (?P<address>[\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+)
    | (?P<amount>
        {_CURRENCY}\s?{_NUMBER}(?:[\s-]?(?:{_SCALES}){_END})?{_END}
        | {_EDGE}{_NUMBER}(?:[\s-]?(?:{_SCALES}))?[\s-]?(?:[{SIGNS}]|(?:{_WORDS}){_END}))
    | (?P<account>{_EDGE}[a-z]{{2}}\d\d(?:\ [a-z\d]{{4}}){{2,7}}(?:\ [a-z\d]{{1,3}})?{_END})
    | (?P<number>
        {_EDGE}\(?{_NUMBER}\)?(?:[\s/.-]{{1,3}}\(?{_NUMBER}\)?)*+(?![^\W_]|[-_][^\W_]))
    | (?P<code>[^\W_]+(?:[-_][^\W_]+)*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What a literal may look like; the first that fits, from left to right."""

_LONGEST_ROW: Final = 24
"""Digits of numbers in a row that may be one grouped number; an IBAN has at most 30 with its
letters. Longer rows are tables, and each number in them counts for itself."""

_FEW: Final = 4
"""Digits from which a number is a secret by itself. With those, and without what follows here,
1 of 7,200 real answers has a literal of other documents by chance (MTRAG and CLAPnq; 1 or 8
documents, any or of the same collection): ``$3000``."""

_ORDINARY_NUMBER: Final = re.compile(r"(?:19\d\d|20[0-2]\d|203[0-5])|\d+000")
"""Years, which stand in every second document, and round numbers, which identify nothing.
A year is a secret where the word PIN, code or password stands before it."""

_DATE: Final = re.compile(
    r"(?:1\d|20)\d\d[^\d()\n]{1,3}\d{1,4}(?:[^\d()\n]{1,3}\d{1,2})?"
    r"|\d{1,2}\D\d{1,2}\D(?:\d\d){1,2}"
)
"""Dates and spans of years, which are as ordinary as years. They do not go over a line: what
ends in 1111 before the eighth step of a list is no date."""

_ORDINARY_CODE: Final = re.compile(
    r"\d+-?[a-z]+(?:-[a-z]+)*|[a-z]+-(?:\d{1,2}|(?:1\d|20)\d\ds?)", re.IGNORECASE
)
"""Words with a number that are nobody's secret: 24-hour, 10km, 1990s, covid-19, mid-1990s."""

_CAPITALS: Final = re.compile(r"[A-Z]{6,}-\d{1,2}")
"""No such word: LANTERN-11. Written so, six letters are a code, where COVID-19 is not."""

_SHORTEST_CODE: Final = 5
"""Symbols of a code; shorter ones (G20, MP3, A4) are words."""

_ZEROS: Final = {"": 0, "K": 3, "M": 6, "B": 9, "T": 12}


@dataclass(frozen=True, slots=True)
class Literal:
    """Something that is a secret by itself, however short.

    Attributes:
        text: As it stands in the passage.
        spellings: The atoms of every way to write it.
    """

    text: str
    spellings: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """The first of its keys, the same for every literal that means the same."""
        return "".join(self.spellings[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """The spellings, put together."""
        return tuple(map("".join, self.spellings))

    def stops(self) -> Iterator[str]:
        """How far one may have come at the end of an atom.

        Digits may be grouped anyhow, and letters be spelled one by one; only the words of a
        name must stand as one.
        """
        for spelling in self.spellings:
            if len(spelling) > 1 or spelling[0][0].isdigit():
                yield from accumulate("".join(spelling)[:-1])


@lru_cache(maxsize=_KEPT)
def literals(passage: str) -> tuple[Literal, ...]:
    """The literals of a passage, each once; a pure function.

    Those of TRIGGER symbols and more are left out: they are runs.
    """
    found: dict[str, Literal] = {}
    for match in _SHAPES.finditer(passage):
        for literal in _READERS[match.lastgroup or "prose"](match[0]):
            if len(literal.name) < TRIGGER:
                found.setdefault(literal.name, literal)
    return tuple(found.values())


def _parts(text: str) -> list[str]:
    return ATOM.findall(levelled(text).replace("_", " "))


def _atoms(text: str) -> tuple[str, ...]:
    return tuple(value(part) if part[0].isdigit() else part for part in _parts(text))


def _prose(text: str) -> Iterator[Literal]:
    yield from ()


def _whole(text: str) -> Iterator[Literal]:
    yield Literal(text, (_atoms(text),))


def _named(text: str) -> Iterator[Literal]:
    yield from _whole(re.findall(_NAMED, text)[-1])


def _code(text: str) -> Iterator[Literal]:
    if text.isdigit():
        yield from _number(text)
        return
    symbols = sum(map(str.isalnum, text))
    digits = sum(map(str.isdigit, text))
    ordinary = _ORDINARY_CODE.fullmatch(text) and not _CAPITALS.fullmatch(text)
    if symbols < _SHORTEST_CODE or ordinary:
        return
    if "_" in text or digits >= 2:
        # Without a digit, the words of a name must stand as one: "account number" is no secret.
        atoms = _atoms(text)
        yield Literal(text, (atoms if digits else ("".join(atoms),),))


def _number(text: str) -> Iterator[Literal]:
    if _DATE.fullmatch(text):
        return
    groups = re.findall(_NUMBER, levelled(text))
    atoms = tuple(map(value, groups))
    if len(groups) > 1 and _FEW + 2 <= sum(map(len, atoms)) <= _LONGEST_ROW:
        yield Literal(text, (atoms,))
    for group, atom in zip(groups, atoms, strict=True):
        if _telling(atom) and not _DATE.fullmatch(group):
            yield Literal(group, ((atom,),))


def _telling(number: str) -> bool:
    """Whether a number is a secret without anything around it."""
    return len(number.partition(".")[0]) >= _FEW and not _ORDINARY_NUMBER.fullmatch(number)


def _amount(text: str) -> Iterator[Literal]:
    parts = _parts(text)
    currency = next((CURRENCIES[part] for part in parts if part in CURRENCIES), None)
    if currency is None:  # "50kusd" is a word
        return
    scale = next((SCALES[part] for part in parts if part in SCALES), "")
    number = value(next(part for part in parts if part[0].isdigit()))
    full = shifted(number, _ZEROS[scale])
    spellings = [
        spelling
        for size in _sizes(full)
        for spelling in ((currency, *size), (*size, currency), (currency, *size, currency))
    ]
    yield Literal(text, tuple(spellings))
    if _telling(full):
        yield Literal(text, ((full,),))


def _sizes(full: str) -> Iterator[tuple[str, ...]]:
    """A number in full, in thousands, in millions and so on."""
    yield (full,)
    for scale, zeros in list(_ZEROS.items())[1:]:
        size = shifted(full, -zeros)
        # Nobody says 0.00005 million, or 1.2345678 million.
        if not size.startswith("0") and len(size.partition(".")[2]) <= 3:
            yield (size, scale)


_READERS: Final[dict[str, Callable[[str], Iterator[Literal]]]] = {
    "named": _named,
    "prose": _prose,
    "address": _whole,
    "amount": _amount,
    "account": _whole,
    "number": _number,
    "code": _code,
}
