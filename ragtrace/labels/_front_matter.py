"""Front matter: what a text says of itself between two rules at its top."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

__all__ = ["MAX_FRONT_MATTER", "Fields", "FrontMatter"]

MAX_FRONT_MATTER: Final = 8_000
"""Characters in which front matter ends; what is longer is a text of its own."""

MAX_DEPTH: Final = 20
"""Lists and mappings in one another. Front matter is flat; PyYAML takes half a second for 7,000."""

_RULE: Final = "---"
_OPENING = re.compile(r"\ufeff?---[ \t]*\r?\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_BLANK = re.compile(r"^[ \t]*\r?\n", re.MULTILINE)
_SPACE = re.compile(r"\s*")
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one text.

    Attributes:
        said: By key, those that were looked for; ``None`` where they cannot be read.
        start: Where the text after them begins.
        words: The same, after the blank lines; loaders differ on whether these count.
    """

    said: Mapping[str, object] | None
    start: int
    words: int


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """Reads the YAML that a text begins with where its loader has not.

    Attributes:
        keys: Metadata keys that are looked for; without any of them it is not read.
        labels: Whether a level in it stands in the place of ``unlabelled``. Unless it does, a
            text can make itself stricter only: the words of a stranger release nothing.
    """

    keys: tuple[str, ...]
    labels: bool = False
    _mention: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = "|".join(map(re.escape, self.keys)) or r"(?!)"
        pattern = rf"""(?:^|[{{,])[ \t]*["']?(?:{names})["']?[ \t]*:"""
        object.__setattr__(self, "_mention", re.compile(pattern, re.MULTILINE))

    def read(self, text: str) -> Fields | None:
        """The fields of ``text``; ``None`` where it has none of those that are looked for.

        Where no second rule follows, a splitter may have cut it off: then it runs to the first
        blank line.
        """
        if not text.startswith((_RULE, "\ufeff" + _RULE)):
            return None
        opening = _OPENING.match(text)
        if opening is None:
            return None
        closing = _CLOSING.search(text, opening.end(), MAX_FRONT_MATTER)
        closing = closing or _BLANK.search(text, opening.end(), MAX_FRONT_MATTER)
        limit = min(len(text), MAX_FRONT_MATTER)
        end, start = closing.span() if closing is not None else (limit, limit)
        block = text[opening.end() : end]
        if not self._mention.search(block):
            return None  # a rule with any text below it, or fields that say nothing of labels
        space = _SPACE.match(text, start)
        words = space.end() if space is not None else start
        try:
            said = self._said(block)
        except Exception:  # whatever PyYAML raises: what cannot be read may hold any label
            return Fields(None, start, words)
        return Fields(said, start, words) if said is not None else None

    def _said(self, block: str) -> dict[str, object] | None:
        """The fields that were looked for; ``None`` where ``block`` is no mapping."""
        loader = _Loader(block)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            return None
        said: dict[str, object] = {}
        for key, value in root.value:
            if key.tag == _MERGE or key.value in said:
                raise ValueError("a key that is said twice, or elsewhere")
            if key.value in self.keys:
                said[key.value] = loader.construct_object(value, deep=True)
        return said


class _Loader(yaml.SafeLoader):
    """Refuses what makes a few lines cost much: aliases, and brackets in brackets."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent) or self.depth == MAX_DEPTH:
            raise ValueError("an alias, or nested too deeply")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1
