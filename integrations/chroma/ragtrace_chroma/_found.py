"""Found: what a collection gave, column by column, as records; and back without some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.model import Passage, Source

__all__ = ["Batch", "batches", "put"]

_COLUMNS: Final = (
    *("ids", "embeddings", "documents", "uris", "data", "metadatas", "distances", "scores"),
)
"""Columns of a result that have one entry for each record."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The answer to one of several queries that are asked at once; of ``get``, all of it.

    Attributes:
        place: Among the queries; ``None`` where there was only one thing to ask.
        columns: By name, those that are there.
    """

    place: int | None
    columns: Mapping[str, Any]

    def passages(self, source: Source) -> list[tuple[int, Passage]]:
        """The documents of the batch, each with the place of its record."""
        documents = self.columns.get("documents")
        if documents is None:
            return []
        return [
            (at, self._passage(at, text, source))
            for at, text in enumerate(documents)
            if isinstance(text, str)
        ]

    def _passage(self, at: int, text: str, source: Source) -> Passage:
        told = self._of("metadatas", at)
        score = next(
            (one for name in ("distances", "scores") if (one := self._of(name, at)) is not None),
            None,
        )
        return Passage(
            text=text,
            source=source,
            metadata=dict(told or {}),
            id=str(self._of("ids", at)),
            rank=at,
            score=None if score is None else float(score),
        )

    def _of(self, name: str, at: int) -> Any:
        column = self.columns.get(name)
        return None if column is None else column[at]

    def kept(self, texts: Mapping[int, str | None]) -> dict[str, Any]:
        """The columns with these documents at their places, and without those that are dropped."""
        size = len(self.columns["ids"])
        rows = [at for at in range(size) if texts.get(at, "") is not None]
        out = {name: _rows(column, rows) for name, column in self.columns.items()}
        if "documents" in out:
            given = self.columns["documents"]
            out["documents"] = [texts.get(at, given[at]) for at in rows]
        return out


def batches(found: Mapping[str, Any], *, nested: bool) -> Iterator[Batch]:
    """The answers in a result.

    Args:
        found: As the collection gives it.
        nested: Whether several queries were asked at once.
    """
    columns = {name: found[name] for name in _COLUMNS if found.get(name) is not None}
    if not nested:
        yield Batch(None, columns)
        return
    for place in range(len(columns["ids"])):
        own = {name: column[place] for name, column in columns.items()}
        yield Batch(place, {name: one for name, one in own.items() if one is not None})


def put(found: Any, batch: Batch, columns: Mapping[str, Any]) -> Any:
    """The result with these columns in place of a batch's; it may be one that the store keeps."""
    out = copy(found)
    for name, column in columns.items():
        if batch.place is None:
            out[name] = column
        else:
            out[name] = [*found[name][: batch.place], column, *found[name][batch.place + 1 :]]
    return out


def _rows(column: Any, rows: Sequence[int]) -> Any:
    """Some rows of a column, which is a list or an array."""
    return [column[at] for at in rows] if isinstance(column, list | tuple) else column[list(rows)]
