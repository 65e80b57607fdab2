"""The figures of a text: its amounts, numbers, codes and names, told apart without ragtrace."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import accumulate

# Marks inside a number: between thousands, and before a fraction.
NUMBER = r"\d+(?:[.,'\u2019]\d+)*"
SCALES = {"": 0, "k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "billion": 9}
SCALE = rf"(?:[\s-]?({'|'.join(filter(None, SCALES))})\b)?"
# The bank has one currency.
AMOUNT = re.compile(
    rf"(?:\$|\busd)\s?({NUMBER}){SCALE}|(?<![\d.,])({NUMBER}){SCALE}[\s-]?(?:usd|dollars?|bucks|\$)",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
GROUPED = re.compile(r"(?<![\w-])\(?\d+\)?(?:[\s./-]{1,3}\(?\d+\)?)+(?![\w-])")
ALONE = re.compile(rf"(?<![\w-]){NUMBER}(?![\w-])")
CODE = re.compile(r"(?=[-_\d]*[^\W\d_])[^\W_]+(?:[-_][^\W_]+)*")
ATOM = re.compile(rf"{NUMBER}|[^\W\d_]+")
# What may stand inside one code or number; not the end of a sentence or of a cell.
GAP = re.compile(r"(?:(?![.,;:!?]\s|\|)[\W_]){0,3}")
# As docs/policy.md has it, these are nobody's secret: years, round numbers, dates, 24-hour, 10km.
ORDINARY = re.compile(r"(?:19\d\d|20[0-2]\d|203[0-5])|\d+000")
DATE = re.compile(r"\d{4}\D\d\d?(?:\D\d\d?)?|\d\d?\D\d\d?\D(?:\d\d){1,2}|\d{4}\D+\d{4}")
WORD_AND_NUMBER = re.compile(r"\d+-?[a-z]+(?:-[a-z]+)*|[a-z]+-\d{1,2}", re.IGNORECASE)
FEW_DIGITS = 4
GROUPED_DIGITS = range(6, 25)
SHORTEST_CODE = 5
MOST_ATOMS = 24

# What kind of figure it is, and what is left of it without layout.
Key = tuple[str, str]


def figures(text: str) -> dict[Key, str]:
    """Return the figures of `text` that are secrets by themselves, each as it is written."""
    found: dict[Key, str] = {}
    for key, written in _figures(text):
        found.setdefault(key, written)
    return found


def _figures(text: str) -> Iterator[tuple[Key, str]]:
    for match in AMOUNT.finditer(text):
        yield ("amount", _worth(match)), match[0]
        yield from _number(_worth(match), match[0])
    rest = AMOUNT.sub(" ; ", text)
    for match in ADDRESS.finditer(rest):
        yield ("code", _symbols(match[0])), match[0]
    for match in GROUPED.finditer(rest):
        if len(_digits(match[0])) in GROUPED_DIGITS and not DATE.fullmatch(match[0]):
            yield ("code", _digits(match[0])), match[0]
    for match in ALONE.finditer(rest):
        yield from _number(_value(match[0]), match[0])
    for match in CODE.finditer(rest):
        word, bare = match[0], _symbols(match[0])
        if len(_digits(word)) >= 2:
            if len(bare) >= SHORTEST_CODE and not WORD_AND_NUMBER.fullmatch(word):
                yield ("code", bare), word
        elif "_" in word and len(bare) >= SHORTEST_CODE:
            yield ("code" if _digits(word) else "name", bare), word


def _number(value: str, written: str) -> Iterator[tuple[Key, str]]:
    if len(value.partition(".")[0]) >= FEW_DIGITS and not ORDINARY.fullmatch(value):
        yield ("code", value), written


def stated(text: str, keys: Iterable[Key]) -> set[Key]:
    """Return those of `keys` that `text` states, in any case, width, grouping or currency word."""
    plain = plainly(text)
    said: set[Key] = {("amount", _worth(match)) for match in AMOUNT.finditer(plain)}
    said |= {("name", word.replace("_", "")) for word in re.findall(r"[^\W\d]+", plain)}
    wanted = set(keys)
    codes = {code for kind, code in wanted if kind == "code"}
    return said & wanted | {("code", code) for code in _codes(plain, codes)}


def _codes(text: str, codes: set[str]) -> Iterator[str]:
    """Yield those of `codes` that stand in `text`, atom by atom, in no longer word or number."""
    heads = {head for code in codes for head in accumulate(code)}
    atoms = list(ATOM.finditer(text)) if codes else []
    for place, first in enumerate(atoms):
        if first.start() and text[first.start() - 1].isalnum():
            continue
        said, last = "", first
        for atom in atoms[place : place + MOST_ATOMS]:
            if atom is not last and not GAP.fullmatch(text, last.end(), atom.start()):
                break
            said, last = said + _value(atom[0]), atom
            if said not in heads:
                break
            if said in codes and not text[atom.end() : atom.end() + 1].isalnum():
                yield said


def plainly(text: str) -> str:
    """Return `text` in lower case and of ordinary width, without what cannot be seen."""
    wide = unicodedata.normalize("NFKC", text).lower()
    return "".join(char for char in wide if unicodedata.category(char) not in ("Cf", "Mn"))


def _symbols(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _value(atom: str) -> str:
    """Return a number without its marks; one or two digits behind the last are a fraction."""
    if not atom[0].isdigit():
        return atom
    *whole, last = re.split(r"[.,'\u2019]", atom)
    if not whole or len(last) > 2:
        return "".join((*whole, last))
    fraction = last.rstrip("0")
    return "".join(whole) + (f".{fraction}" if fraction else "")


def _worth(match: re.Match[str]) -> str:
    number, scale = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{(Decimal(_value(number)) * 10 ** SCALES[(scale or '').lower()]).normalize():f}"
