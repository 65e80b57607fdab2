"""Registry: labels that texts keep by their digest, whatever their metadata say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.errors import PolicyFileError
from ragtrace.labels._lattice import Lattice
from ragtrace.model import Label

__all__ = ["MAX_REGISTRY_LINE", "MAX_REGISTRY_TEXTS", "Registry"]

MAX_REGISTRY_TEXTS: Final = 500_000
"""Texts in a registry. It is held in memory beside the application: about 100 MB at this size."""

MAX_REGISTRY_LINE: Final = 10_000
"""Bytes of a line; a digest and a label take about a hundred."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS: Final = ("digest", "level", "compartments")


@dataclass(frozen=True, slots=True)
class Registry:
    """Labels by content digest.

    Attributes:
        labels: By the digest of a chunk's text, as ``ragtrace.model.digest`` gives it.
    """

    labels: Mapping[str, Label]

    @classmethod
    def parse(cls, lines: Iterable[bytes], name: str, lattice: Lattice) -> Registry:
        """The registry that ``lines`` of JSON spell; ``name`` stands in messages.

        A text that is named twice gets the join of its labels. Empty lines say nothing.

        Raises:
            PolicyFileError: A line is no entry, or there are too many; the message names
                file, line and what was expected.
        """
        labels: dict[str, Label] = {}
        same: dict[Label, Label] = {}  # one record per label, however many texts carry it
        for number, line in enumerate(lines, 1):
            try:
                if not line.strip():
                    continue
                text, label = _entry(line, lattice)
                if text not in labels and len(labels) == MAX_REGISTRY_TEXTS:
                    raise ValueError(f"expected at most {MAX_REGISTRY_TEXTS} texts")
            except ValueError as error:
                raise PolicyFileError(f"{name}:{number}: {error}") from None
            if text in labels:
                label = lattice.join([labels[text], label])
            labels[text] = same.setdefault(label, label)
        return cls(labels)

    def get(self, text_digest: str) -> Label | None:
        """The label of the text with this digest, where it has one."""
        return self.labels.get(text_digest)


def _entry(line: bytes, lattice: Lattice) -> tuple[str, Label]:
    """One line; ``ValueError`` says what was expected of it."""
    if len(line) > MAX_REGISTRY_LINE:
        raise ValueError(f"expected at most {MAX_REGISTRY_LINE} bytes on a line")
    try:
        # No value is a number, and one of 5,000 digits is no int to Python: floats will do.
        text = line.decode("utf-8-sig")
        said = json.loads(text, object_pairs_hook=_each_once, parse_int=float)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("expected a line of JSON") from None
    if not isinstance(said, dict):
        raise ValueError(f"expected an object, got {type(said).__name__}")
    for key in said:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}, expected one of {', '.join(_KEYS)}")
    name, level, compartments = said.get("digest"), said.get("level"), said.get("compartments", [])
    if not isinstance(name, str) or not _DIGEST.fullmatch(name):
        raise ValueError(f"digest: expected 64 lower-case hex digits, got {name!r}")
    if not isinstance(level, str) or level not in lattice.levels:
        known = ", ".join(lattice.levels)
        raise ValueError(f"level: expected one of the levels {known}, got {level!r}")
    if not isinstance(compartments, list) or not all(
        isinstance(one, str) and one for one in compartments
    ):
        raise ValueError(f"compartments: expected a list of names, got {compartments!r}")
    return name, Label(level, frozenset(compartments))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON keeps the last of two: a second level on the line would undo the first unseen.
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key!r} is said twice")
    return dict(pairs)
