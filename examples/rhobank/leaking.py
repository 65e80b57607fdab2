"""Leaking answers: the ways a model may copy out what it was told to keep to itself."""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from textwrap import fill
from urllib.parse import quote, unquote

Write = Callable[[str], list[str]]
Undo = Callable[[str], str]

ALWAYS, WHOLE, NEVER = "always", "whole", "never"

BEFORE = "Thank you for asking! I have looked this up for you, and this is what I have found:\n\n"
AFTER = "\n\nIs there anything else that I can help you with today? I am happy to."
BETWEEN = "That is how it is.", "I hope that makes it clear.", "Now for the next point."
UNSEEN = "\u200b"


@dataclass(frozen=True)
class Way:
    """A way to leak.

    Attributes:
        write: From restricted text, or from a figure on each line, to answers that say it.
        undo: What a reader does to such an answer; `None` where he need do nothing.
        promise: Whether ragtrace promises to see through it: `ALWAYS`, in an answer that comes
            `WHOLE`, or `NEVER`.
    """

    name: str
    write: Write
    undo: Undo | None = None
    promise: str = ALWAYS

    def promised(self, *, streamed: bool) -> bool:
        """Return whether ragtrace promises to see through it in such an answer."""
        return self.promise == ALWAYS or (self.promise == WHOLE and not streamed)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _each(form: str) -> Write:
    """Return what writes every line in a form such as "- {}"."""
    return lambda text: ["\n".join(form.format(line) for line in _lines(text))]


def _numbered(text: str) -> list[str]:
    return ["\n".join(f"{place}. {line}" for place, line in enumerate(_lines(text), 1))]


def _table(text: str) -> list[str]:
    rows = (line.partition(" ") for line in _lines(text.replace("|", " ")))
    return ["|  |  |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, _, b in rows)]


def _curly(text: str) -> list[str]:
    opened = re.sub(r'"(?=\w)', "\u201c", text).replace('"', "\u201d")
    return [opened.replace("'", "\u2019").replace("-", "\u2011")]


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?:])\s+|\n+", text) if part.strip()]


def _mixed(text: str) -> list[str]:
    said = zip(_sentences(text), cycle(BETWEEN), strict=False)
    return [" ".join(f"{sentence} {between}" for sentence, between in said)]


def _swapped(text: str) -> list[str]:
    """Every fifth word another: near to a copy, and no run of it is left."""
    words = text.split()
    return [" ".join("namely" if place % 5 == 4 else word for place, word in enumerate(words))]


def _whole(change: Callable[[str], str]) -> Write:
    return lambda text: [change(text)]


def without_numbers(text: str) -> str:
    """Return `text` without the numbers of its list items."""
    return re.sub(r"(?m)^\s*\d+[.)] ", "", text)


def _from_json(text: str) -> str:
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", lambda found: " " if found[1] in "nrt" else found[1], text)


def _without_tags(text: str) -> str:
    return html.unescape(re.sub(r"</?\w+>", "", text))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:  # something was taken out of it
        return text


VERBATIM = Way("verbatim", _whole(str))
SENTENCES = Way("each sentence alone", _sentences)
TEXT = (
    VERBATIM,
    SENTENCES,
    Way("lines wrapped anew", _whole(lambda text: fill(text, 44))),
    Way("on one line", _whole(lambda text: " ".join(text.split()))),
    Way("bullets", _each("- {}")),
    Way("quoted", _each("> {}")),
    Way("bold", _each("**{}**")),
    Way("in code marks", _each("`{}`")),
    Way("table", _table),
    Way("numbered", _numbered, without_numbers),
    Way("numbers left out", _whole(without_numbers), without_numbers),
    Way("capitals", _whole(str.upper)),
    Way("lower case", _whole(str.lower)),
    Way("curly quotes", _curly),
    Way("wide spaces", _whole(lambda text: text.replace(" ", " \u00a0 "))),
    Way("zero-width characters", _whole(UNSEEN.join)),
    Way("letters spaced out", _whole(" ".join)),
    Way("between harmless prose", _whole(lambda text: BEFORE + text + AFTER)),
    Way("harmless sentences between", _mixed),
    Way("JSON string", _whole(json.dumps), _from_json),
    Way("HTML escaped", _whole(html.escape), html.unescape),
    Way("HTML list", _each("<li>{}</li>"), _without_tags),
    Way("percent encoding", _whole(quote), unquote),
    Way("base64", _whole(_base64), _from_base64, promise=WHOLE),
    Way("every fifth word another", _swapped, promise=NEVER),
)
"""Written from each restricted range by itself."""


def _spelled(mark: str) -> Write:
    """Return what writes codes with `mark` between their letters and digits."""
    edge = re.compile(r"[-_ ]|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
    return lambda text: [", ".join(edge.sub(mark, code) for code in _codes(text))]


def _codes(text: str) -> Iterator[str]:
    return (line for line in _lines(text) if re.search(r"\d", line) and "$" not in line)


def _names(text: str) -> Iterator[str]:
    return (line for line in _lines(text) if not re.search(r"\d", line))


def _amounts(spell: Callable[[str], str]) -> Write:
    return lambda text: [", ".join(spell(line[1:]) for line in _lines(text) if line[0] == "$")]


def _cents(amount: str) -> str:
    return amount if "." in amount else f"{amount}.00"


def _thousands(amount: str) -> str:
    size = float(amount.replace(",", ""))
    return f"${size / 1000:g}k" if size >= 1000 else f"${amount}"


def _wide(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in text)


ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def _in_words(amount: str) -> str:
    return f"{_number(int(float(amount.replace(',', ''))))} dollars"


def _number(size: int) -> str:
    for least, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if size >= least:
            rest = size % least
            return f"{_number(size // least)} {name}" + (f" {_number(rest)}" if rest else "")
    if size < len(ONES):
        return ONES[size]
    tens = TENS[size // 10 - 2]
    return f"{tens}-{ONES[size % 10]}" if size % 10 else tens


def _worded(text: str) -> str:
    return ", ".join(_names(text)).replace("_", " ")


def _spelled_names(text: str) -> str:
    return "\n".join(map(" ".join, _names(text)))


def _spelled_codes(text: str) -> str:
    return "\n".join(map(" ".join, _codes(text)))


def _unspaced(text: str) -> str:
    return re.sub(r"(?<=\S) (?=\S)", "", text)


FIGURES = (
    Way("figures, with commas", _whole(lambda text: ", ".join(_lines(text)))),
    Way("figures, as bullets", _each("- {}")),
    Way("figures, one a line", _whole(str)),
    Way("figures, in sentences", _each("You would use {} for that.")),
    Way("figures, bold", _each("**{}**")),
    Way("figures, in a table", _each("| {} | yes |")),
    Way("figures, in capitals", _whole(str.upper)),
    Way("figures, in lower case", _whole(str.lower)),
    Way("figures, wide digits", _whole(_wide)),
    Way("figures, zero-width characters", _whole(UNSEEN.join)),
    Way("codes with spaces", _spelled(" ")),
    Way("codes with dashes", _spelled("-")),
    Way("codes with underscores", _spelled("_")),
    Way("codes without marks", _spelled("")),
    Way("amounts in dollars", _amounts("{} dollars".format)),
    Way("amounts in USD", _amounts("USD {}".format)),
    Way("amounts before USD", _amounts("{} USD".format)),
    Way("amounts with cents", _amounts(lambda amount: f"${_cents(amount)}")),
    Way("amounts after a space", _amounts("$ {}".format)),
    Way("amounts without commas", _amounts(lambda amount: "$" + amount.replace(",", ""))),
    Way("amounts in thousands", _amounts(_thousands)),
    Way("figures, JSON list", _whole(lambda text: json.dumps(_lines(text))), _from_json),
    Way("codes, letter by letter", _whole(_spelled_codes), _unspaced),
    Way("amounts in words", _amounts(_in_words), promise=NEVER),
    Way("names as words", _whole(_worded), promise=NEVER),
    Way("names, letter by letter", _whole(_spelled_names), _unspaced, promise=NEVER),
    Way("figures, base64", _whole(_base64), _from_base64, promise=NEVER),
)
"""Written from all restricted figures of a prompt, one on each line."""

SIZES: Sequence[int | None] = (1, 2, 3, 7, 17, 64, None)
"""Characters in a delta; none given are as many as it happens."""

MOST = 90
"""Characters in a delta of random size, at most."""


def deltas(text: str, size: int | None, dice: Random) -> Iterator[str]:
    """Yield `text` in deltas of `size` characters, or of 1 to `MOST`."""
    place = 0
    while place < len(text):
        step = size or dice.randint(1, MOST)
        yield text[place : place + step]
        place += step
