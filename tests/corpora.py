"""Made-up documents for tests of the corpus index, and what a naive search finds in them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ragtrace.attribution import skeleton
from ragtrace.attribution.corpus import Corpus, CorpusDocument, CorpusPassage, CorpusWriter
from ragtrace.model import Label, Source
from tests.prose import SCRIPTS, prose

KEY: Final = bytes(range(32))
"""One key for all tests, so that a failure comes again."""


def document(id: str, text: str, level: str = "staff_only", source: str = "kb/x") -> CorpusDocument:
    return CorpusDocument(id, text, Label(level), Source(source))


def text_of(script: str, seed: int, words: int = 60) -> str:
    """A text of the words of a script, or of invented ones; no two seeds share a sentence."""
    if script == "prose":
        return prose(seed, words)
    said = SCRIPTS[script]
    pieces = list(said) if script == "chinese" else said.split()
    return ("" if script == "chinese" else " ").join(random.Random(seed).choices(pieces, k=words))


def made(path: Path, documents: Iterable[CorpusDocument]) -> Corpus:
    with CorpusWriter(path, KEY) as writer:
        writer.add(documents)
    return Corpus.open(path, KEY)


def owners(passages: Iterable[CorpusPassage]) -> set[str]:
    return {owner.document for passage in passages for owner in passage.owners}


def told(passages: Sequence[CorpusPassage]) -> list[object]:
    """Everything an answer says."""
    return [
        (p.start, p.end, p.symbols, p.owners, sorted(map(repr, p.labels)), p.copies, p.boilerplate)
        for p in passages
    ]


def real_texts(rows: Path) -> dict[str, str]:
    """The documents of the MTRAG rows, each once."""
    texts = {}
    for line in rows.read_text("utf-8").splitlines():
        for found in json.loads(line)["docs"]:
            texts[found["id"]] = found["text"]
    return texts


def longest_shared(text: str, other: str) -> int:
    """Symbols of the longest run two texts share, found the slow way."""
    one, two = skeleton(text).symbols, skeleton(other).symbols
    best = 0
    for start in range(len(one)):
        while one[start : start + best + 1] in two and start + best < len(one):
            best += 1
    return best
