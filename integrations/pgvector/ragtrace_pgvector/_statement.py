"""Statement: whether the rows of one are judged, and which table they are said to come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace.model import Source

__all__ = ["Statement"]

_DISTANCE: Final = re.compile(
    r"<->|<=>|<#>|<\+>|<~>|<%>"
    r"|\b(?:l1_distance|l2_distance|cosine_distance|inner_product|hamming_distance"
    r"|jaccard_distance)\s*\(",
    re.IGNORECASE,
)
"""Operators and functions of pgvector's. Others have the first of them too: a row too many is
judged."""

_TABLE: Final = re.compile(r'\b(?:from|join)\s+(?:only\s+)?((?:"[^"]+"|[\w$.])+)', re.IGNORECASE)
_LIMIT: Final = re.compile(r"\blimit\s+(\d+)", re.IGNORECASE)

_NOWHERE: Final = "rows"
"""The table of a statement that names none."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One that is to be judged.

    Attributes:
        source: The first table it reads of those that a setting names, else the first of all.
        top_k: Its limit, where that is written in it.
    """

    source: Source
    top_k: int | None

    @classmethod
    def of(cls, text: str, tables: Sequence[str]) -> Statement | None:
        """The statement, if it searches by distance or names one of ``tables`` anywhere."""
        named = [name for name in tables if _names(name).search(text)]
        if not named and _DISTANCE.search(text) is None:
            return None
        read = [found.replace('"', "") for found in _TABLE.findall(text)]
        limit = _LIMIT.search(text)
        return cls(
            Source(f"pgvector/{next(iter([*named, *read]), _NOWHERE)}"),
            int(limit[1]) if limit is not None else None,
        )


def _names(table: str) -> re.Pattern[str]:
    """The name of a table as a word, however it is quoted."""
    parts = (rf'"?{re.escape(part)}"?' for part in table.split("."))
    return re.compile(r"(?<![\w$])" + r"\s*\.\s*".join(parts) + r"(?![\w$])", re.IGNORECASE)
