"""Shreds: what was destroyed, by whom and why, and what became of a text that does not open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from ragtrace.store._rows import Row, _frozen

__all__ = ["Gone", "Shred", "Shredded", "Target", "Why"]

Target = Literal["document", "user", "session", "level", "retention"]
"""What was shredded; ``retention`` is of every subject whose last text was over."""
Why = Literal["shredded", "expired", "damaged", "key-lost"]
"""What became of a text that was kept and does not open."""
LEVEL_DIGITS: Final = 8
"""Of a key's id, those that name the key of its level."""


@dataclass(frozen=True, slots=True)
class Shred(Row):
    """One shredding.

    Attributes:
        id: 16 hexadecimal digits.
        time_ns: When, nanoseconds since the epoch.
        kind: What was shredded.
        name: A document's id or a level; of a user or session 32 digits that stand for it, and
            empty for ``retention``.
        by: Who did it.
        reason: Why.
        texts: How many texts did not open any more.
        keys: Ids of keys that were destroyed, 8 digits for that of a level.
        punctured: Keys that were made to forget single texts: id and digest.
    """

    id: str
    time_ns: int
    kind: Target
    name: str
    by: str
    reason: str
    texts: int
    keys: tuple[str, ...] = ()
    punctured: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Read a row of the store."""
        names = [field.name for field in fields(cls)]
        return cls.from_json(dict(zip(names, map(_frozen, row), strict=True)))

    @property
    def line(self) -> str:
        """The record as the keyring holds it."""
        return json.dumps(self.as_json())

    def told(self) -> dict[str, Any]:
        """Give the record without its keys, which say nothing to anybody."""
        shown = self.as_json()
        del shown["punctured"]
        return {**shown, "keys": len(self.keys)}


@dataclass(frozen=True, slots=True)
class Gone(Row):
    """Why a text that was kept does not open.

    Attributes:
        why: ``shredded`` its key was destroyed; ``expired`` its level's period was over;
            ``damaged`` what is stored is not what was sealed; ``key-lost`` its key is in no
            keyring, and nobody said that it was destroyed.
        time_ns: When it was shredded, nanoseconds since the epoch; 0 where that is not known.
        shred: Id of the shredding; empty where there is none.
    """

    why: Why
    time_ns: int = 0
    shred: str = ""

    @property
    def said(self) -> str:
        """The same in words."""
        day = datetime.fromtimestamp(self.time_ns // 10**9, UTC).strftime(" on %Y-%m-%d")
        if self.why == "shredded":
            return f"shredded{day}"
        if self.why == "expired":
            return f"expired{day if self.time_ns else ''}: its level's period was over"
        if self.why == "damaged":
            return "corrupted: what is stored does not open, it was changed since it was sealed"
        return "its key is in no keyring: the keyring is older than the text"


class Shredded:
    """Finds the shredding that destroyed a text."""

    def __init__(self, shreds: Iterable[Shred]) -> None:
        self._by_key: dict[str, Shred] = {}
        self._by_text: dict[tuple[str, str], Shred] = {}
        for shred in shreds:
            self._by_key |= dict.fromkeys(shred.keys, shred)
            self._by_text |= dict.fromkeys(shred.punctured, shred)

    def of(self, key: str, digest: str) -> Shred | None:
        """Give the shredding after which the text of ``digest`` under ``key`` does not open."""
        found = self._by_key.get(key) or self._by_key.get(key[:LEVEL_DIGITS])
        return found or self._by_text.get((key, digest))
