"""Perturbation: what happens to a document on its way into a prompt."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import textwrap
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import quote

__all__ = ["LOOK_ALIKES", "PERTURBATIONS", "RUN", "ZERO_WIDTH", "Perturbation", "Perturbed"]

RUN: Final = 80
"""Characters without a break from which on a document has to be found."""

DECODABLE: Final = 0.99
"""Share to be found where the text is all there in another form."""

EXTRACTED: Final = 0.95
"""Share to be found of documents of which single sentences are there."""

ZERO_WIDTH: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Characters that are not seen."""

LOOK_ALIKES: Final = {
    "a": "аɑ",  # noqa: RUF001 - that they look alike is the point, here and below
    "c": "сϲ",  # noqa: RUF001
    "e": "е",  # noqa: RUF001
    "i": "іι",  # noqa: RUF001
    "j": "ј",  # noqa: RUF001
    "o": "оο",  # noqa: RUF001
    "p": "рρ",  # noqa: RUF001
    "s": "ѕ",  # noqa: RUF001
    "x": "х",  # noqa: RUF001
    "y": "у",  # noqa: RUF001
    "v": "ν",  # noqa: RUF001
    "A": "АΑ",  # noqa: RUF001
    "B": "ВΒ",  # noqa: RUF001
    "E": "ЕΕ",  # noqa: RUF001
    "H": "НΗ",  # noqa: RUF001
    "M": "МΜ",  # noqa: RUF001
    "O": "ОΟ",  # noqa: RUF001
    "T": "ТΤ",  # noqa: RUF001
}
"""Cyrillic and Greek letters that Unicode lists as confusable with Latin ones."""


class Perturbed(NamedTuple):
    """A document as it is rendered, and the longest run of it that nothing interrupts.

    Attributes:
        unbroken: Characters of the original in a row that are all there, but for what only
            formats or encodes them.
    """

    text: str
    unbroken: int


class Perturbation(NamedTuple):
    """A way of rendering a document.

    Attributes:
        at_least: Share of documents with RUN unbroken characters that has to be found; None
            where nothing is promised.
        placed: Whether the rendered characters are the document's own, one after another, so
            that the ranges reported can be checked one by one.
    """

    name: str
    apply: Callable[[str, random.Random], Perturbed]
    at_least: float | None = DECODABLE
    placed: bool = False


def _same(form: Callable[[str, random.Random], str]) -> Callable[[str, random.Random], Perturbed]:
    """A form in which the whole text can still be read."""
    return lambda text, dice: Perturbed(form(text, dice), len(text))


def _wrap(text: str, dice: random.Random) -> str:
    return textwrap.fill(text, dice.randint(40, 100))


def _json(text: str, dice: random.Random) -> str:
    return json.dumps({"id": dice.randrange(10**6), "content": text})


def _json_twice(text: str, dice: random.Random) -> str:
    return json.dumps({"result": _json(text, dice)})


def _html(text: str, dice: random.Random) -> str:
    out = []
    for word in html.escape(text).replace("&#x27;", "&#39;").split(" "):
        kind = dice.random()
        if kind < 0.03:
            word = f"<b>{word}</b>"
        elif kind < 0.05:
            word = f'<a href="/p/{dice.randrange(1000)}">{word}</a>'
        elif kind < 0.1:
            word = f"{word}&nbsp;"
        out.append(f"{word}<br/>" if word.endswith(".") and dice.random() < 0.3 else word)
    return f'<div class="passage"><p>{" ".join(out)}</p></div>'.replace("\n\n", "</p>\n<p>")


def _quote(text: str, dice: random.Random) -> str:
    return textwrap.indent(textwrap.fill(text, 80), "> ")


def _bullets(text: str, dice: random.Random) -> str:
    words = [f"**{word}**" if dice.random() < 0.05 else word for word in text.split(" ")]
    return "\n".join(f"* {sentence}" for sentence in _sentences(" ".join(words)))


def _numbered(text: str, dice: random.Random) -> str:
    lines = textwrap.wrap(text, 80)
    return "\n".join(f"{number:4d}  {line}" for number, line in enumerate(lines, 1))


def _subtitles(text: str, dice: random.Random) -> str:
    """A few words at a time, each under its time."""
    lines = enumerate(textwrap.wrap(text, 32))
    return "\n".join(
        f"00:{at // 20:02d}:{at % 20 * 3:02d},{at * 7 % 999:03d}\n{s}" for at, s in lines
    )


def _truncated(text: str, dice: random.Random) -> Perturbed:
    kept = text[: max(min(RUN, len(text)), int(len(text) * dice.uniform(0.3, 0.7)))]
    return Perturbed(f"{kept}…", len(kept))


def _typos(text: str, dice: random.Random) -> Perturbed:
    out, run, longest = [], 0, 0
    for char in text:
        if dice.random() >= 0.01:
            out.append(char)
            run += 1
            longest = max(longest, run)
            continue
        run = 0
        other = dice.choice("abcdefghijklmnopqrstuvwxyz")
        out.append(dice.choice(["", other, char + other, char + char]))
    return Perturbed("".join(out), longest)


def _homoglyphs(text: str, dice: random.Random) -> str:
    return "".join(
        dice.choice(LOOK_ALIKES[char]) if char in LOOK_ALIKES and dice.random() < 0.3 else char
        for char in text
    )


def _zero_width(text: str, dice: random.Random) -> str:
    return "".join(char + dice.choice(ZERO_WIDTH) * (dice.random() < 0.15) for char in text)


def _extracted(text: str, dice: random.Random) -> Perturbed:
    sentences = _sentences(text)
    count = max(1, round(len(sentences) * 0.3))
    kept = [sentences[at] for at in sorted(dice.sample(range(len(sentences)), count))]
    return Perturbed("\n[…]\n".join(kept), max(map(len, kept)))


def _reordered(text: str, dice: random.Random) -> Perturbed:
    sentences = _sentences(text)
    longest = max(map(len, sentences))
    dice.shuffle(sentences)
    return Perturbed(" ".join(sentences), longest)


def _dropped(text: str, dice: random.Random) -> Perturbed:
    pieces = [""]
    for word in text.split(" "):
        if dice.random() < 0.05:
            pieces.append("")
        else:
            pieces[-1] += f"{word} "
    return Perturbed("".join(pieces).strip(), max(len(piece.strip()) for piece in pieces))


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?。])\s+", text) if part.strip()] or [text]


PERTURBATIONS: Final = (
    Perturbation("verbatim", _same(lambda text, dice: text), placed=True),
    Perturbation("whitespace re-wrapped", _same(_wrap), placed=True),
    Perturbation("JSON", _same(_json)),
    Perturbation("JSON in JSON", _same(_json_twice)),
    Perturbation("HTML", _same(_html)),
    Perturbation("Markdown quote", _same(_quote), None),
    Perturbation("Markdown bullets", _same(_bullets), None),
    Perturbation("line numbers", _same(_numbered)),
    Perturbation("subtitles", _same(_subtitles), None),
    Perturbation("truncated", _truncated),
    Perturbation("1 % typos", _typos),
    Perturbation("homoglyphs", _same(_homoglyphs)),
    Perturbation("zero-width characters", _same(_zero_width), placed=True),
    Perturbation("percent-encoded", _same(lambda text, dice: quote(text)), None),
    Perturbation(
        "base64", _same(lambda text, dice: base64.b64encode(text.encode()).decode()), None
    ),
    Perturbation("30 % of the sentences", _extracted, EXTRACTED),
    Perturbation("sentences reordered", _reordered, None),
    Perturbation("5 % of words dropped", _dropped, None),
)
"""Every rendering, with the share of documents that has to be found in it."""
