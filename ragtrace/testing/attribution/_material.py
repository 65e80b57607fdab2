"""Material: real documents and answers, or made-up ones where there are none."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ragtrace
from ragtrace.errors import ConfigError
from ragtrace.testing.attribution._prose import article

__all__ = ["Answer", "Material", "data_beside_checkout", "generated", "read_material"]

FEWEST: Final = 24
"""Documents of a collection that can be drawn from; a smaller one has no distractors."""

_SUBSET: Final = re.compile(r"mt-rag-(\w+)-")
"""MTRAG names a collection twice, once with the retriever's parameters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system said, and the documents it was given."""

    text: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """Texts that benches and tests are made from.

    Attributes:
        collections: Distinct documents by collection, neighbours being about the same.
        made_up: Whether the texts are generated, and figures of quality therefore easier.
    """

    collections: Mapping[str, tuple[str, ...]]
    answers: tuple[Answer, ...]
    made_up: bool = False

    @property
    def documents(self) -> Iterator[str]:
        """All documents, collection by collection."""
        for documents in self.collections.values():
            yield from documents


def data_beside_checkout() -> Path | None:
    """``shared/data`` beside the checkout that this runs from, if it is there."""
    found = Path(ragtrace.__file__).parents[2] / "shared" / "data"
    return found if (found / "attribution").is_dir() else None


def read_material(directory: Path) -> Material:
    """The documents and answers of ``attribution/*.jsonl`` and ``rhobank/documents.jsonl``.

    Raises:
        ConfigError: There are none, or a line is not what it should be.
    """
    files = sorted((directory / "attribution").glob("*.jsonl"))
    if not files:
        raise ConfigError(f"{directory}: no attribution/*.jsonl with rows of documents in it")
    collections: dict[str, dict[str, None]] = defaultdict(dict)
    answers = []
    for file in files:
        for row in _lines(file, "docs", "responses"):
            subset = str(row.get("collection") or row.get("src") or file.stem)
            match = _SUBSET.match(subset)
            texts = tuple(text.strip() for text in row["docs"])
            collections[match[1] if match else subset].update(dict.fromkeys(texts))
            answers += [Answer(said, texts) for said in row["responses"] if texts]
    bank = directory / "rhobank" / "documents.jsonl"
    if bank.is_file():
        texts = tuple(row["content"].strip() for row in _lines(bank, "content"))
        collections["rhobank"].update(dict.fromkeys(texts))
    kept = {name: tuple(found) for name, found in collections.items() if len(found) >= FEWEST}
    if not kept or not answers:
        raise ConfigError(f"{directory}: no collection of {FEWEST} documents, or no answers")
    return Material(kept, tuple(answers))


def generated(seed: int = 1, topics: int = 5, documents: int = 300) -> Material:
    """Made-up collections that share a vocabulary, with answers that quote them."""
    dice = random.Random(seed)
    collections = {
        f"topic {topic}": tuple(
            article(dice, topic, dice.randint(400, 2_000)) for _ in range(documents)
        )
        for topic in range(topics)
    }
    answers = []
    for topic, texts in enumerate(collections.values()):
        for _ in range(60):
            given = tuple(dice.sample(texts, min(3, documents)))
            quoted = given[0][: dice.randint(0, 220)]
            answers.append(Answer(f"{article(dice, topic, 200)} {quoted}", given))
    return Material(collections, tuple(answers), made_up=True)


def _lines(file: Path, *needed: str) -> Iterator[dict[str, Any]]:
    """The rows of a file; a list of objects with a text is given as a list of the texts."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{file}:{number}: not a JSON object: {error}") from None
            missing = [name for name in needed if not isinstance(row, dict) or name not in row]
            if missing:
                raise ConfigError(f"{file}:{number}: no {' or '.join(missing)}")
            try:
                for name in needed:
                    if not isinstance(row[name], str):
                        row[name] = [str(one["text"]) for one in row[name]]
            except (TypeError, KeyError):
                raise ConfigError(f"{file}:{number}: {name} without text") from None
            yield row
