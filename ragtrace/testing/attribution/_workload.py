"""Workload: retrieved documents and ever new prompts of a given size, for timing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ragtrace.testing.attribution._material import Material
from ragtrace.testing.attribution._prose import article

__all__ = ["Workload", "accented", "as_json", "made_documents", "plain", "workload"]

_ENCODING: Final = str.maketrans("", "", "\\&%<")


class Workload(NamedTuple):
    """Documents, and text of the same domain that is not theirs.

    Attributes:
        written: What is done to a document as it is put into the prompt.
    """

    documents: tuple[str, ...]
    filler: tuple[str, ...]
    prompt: int
    seed: int
    written: Callable[[str], str] = str

    @property
    def size(self) -> int:
        """Characters of the documents and of one prompt."""
        return sum(map(len, self.documents)) + self.prompt

    def text(self, number: int) -> str:
        """Prompt ``number``: about half of the documents, the rest filler; a new string always."""
        dice = random.Random(f"{self.seed}:{number}")
        room = self.prompt // 2
        parts = [f"Request {number}. Answer from the passages below.\n\n"]
        left = self.prompt - len(parts[0])
        for text in dice.sample(self.documents, (len(self.documents) + 1) // 2):
            said = f"{self.written(text)}\n\n"
            if len(said) > min(room, left):
                continue
            parts.append(said)
            room -= len(said)
            left -= len(said)
        while left > 0:
            said = self.written(dice.choice(self.filler))[:left] + "\n"
            parts.append(said)
            left -= len(said)
        body = parts[1:]
        dice.shuffle(body)
        return "".join([parts[0], *body])


def workload(
    material: Material,
    documents: int,
    length: int,
    prompt: int,
    *,
    found: Callable[[str], str] = str,
    written: Callable[[str], str] = str,
    seed: int = 1,
) -> Workload:
    """``documents`` of ``length`` characters each, and prompts of ``prompt`` characters.

    ``found`` is done to every text of the material, ``written`` only to what is in a prompt.
    """
    dice = random.Random(f"{seed}:{documents}:{length}")
    made = made_documents(material, documents, length, dice, found=found)
    pool = made_documents(material, 1 + 2 * prompt // length, length, dice, found=found)
    return Workload(tuple(made), tuple(pool), prompt, seed, written)


def made_documents(
    material: Material,
    count: int,
    length: int,
    dice: random.Random,
    *,
    found: Callable[[str], str] = str,
) -> Sequence[str]:
    """Distinct documents of exactly ``length`` characters, cut from the material's own.

    Where the material is used up, its sentences are drawn once more in another order, and
    made-up ones put between them.
    """
    texts = list(material.documents)
    dice.shuffle(texts)
    made: list[str] = []
    while len(made) < count:
        text = ""
        while len(text) < length:
            text += f"{found(texts.pop()) if texts else article(dice, len(made))}\n\n"
        made.append(text[:length])
    return made


def plain(text: str) -> str:
    """ASCII that looks encoded nowhere: what is left is read once, and one byte a character."""
    return text.encode("ascii", "ignore").decode().translate(_ENCODING)


def as_json(text: str) -> str:
    """As an application that puts JSON into its prompt writes it."""
    return json.dumps({"content": text})


def accented(text: str) -> str:
    """With accents, typographic marks and other scripts, so that no part is ASCII for long."""
    accents = text.replace("e ", "é ").replace("'", "’")  # noqa: RUF001 - the typographic one
    return f"№ 7 – Сводка, 概要 – {accents}"  # noqa: RUF001 - Cyrillic is meant
