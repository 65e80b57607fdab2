"""Found: a chunk, its label and where it stands, as one object of ``ragtrace.flows``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from ragtrace.model import Attribution, Chunk, Label, Origin

__all__ = ["OUTSIDE", "about", "encode_label", "found", "of_origin", "score_of"]

OUTSIDE: Final = "outside"
"""Key of the label of a chunk outside its ranges, where that is another than the label judged."""


def found(
    place: int,
    chunk: Chunk,
    label: Label,
    attribution: Attribution | None,
    roles: Sequence[str],
) -> dict[str, Any]:
    """A flow without its decision: what was retrieved or found, and under which label."""
    said = {"ord": place, "score": score_of(chunk.score), "rank": chunk.rank, **about(chunk, label)}
    if roles:
        said["roles"] = list(roles)
    if attribution is not None:
        said.update(_attribution(attribution))
    return said


def about(chunk: Chunk, label: Label) -> dict[str, Any]:
    """What a chunk is, wherever it is found: its names, and the label that was judged."""
    said: dict[str, Any] = {
        "id": chunk.id,
        "document": chunk.document.id,
        "digest": chunk.digest,
        "source": chunk.source.id,
        **encode_label(label),
        "basis": chunk.basis,
    }
    if chunk.document.uri is not None:
        same = chunk.document.uri == chunk.document.id
        said["uri"] = "" if same else chunk.document.uri
    if chunk.ranges:
        said["ranges"] = [
            {"start": part.start, "end": part.end, **encode_label(part.label)}
            for part in chunk.ranges
        ]
    if chunk.origins:
        said["origins"] = [of_origin(origin) for origin in chunk.origins]
    if chunk.copied:
        said["copied"] = [list(part) for part in chunk.copied]
    if chunk.released:
        said["released"] = chunk.released
    return said


def encode_label(label: Label) -> dict[str, Any]:
    """A label as it stands in ``ragtrace.flows``; what is usual is left out."""
    said: dict[str, Any] = {"level": label.level}
    if label.compartments:
        said["compartments"] = sorted(label.compartments)
    if label.readers is not None:
        said["readers"] = sorted(label.readers)
    if label.integrity != "trusted":
        said["integrity"] = label.integrity
    return said


def of_origin(origin: Origin) -> dict[str, Any]:
    """A document that a derived text was made from."""
    return {
        "document": origin.document,
        "source": origin.source,
        "digest": origin.digest,
        **encode_label(origin.label),
        "evidence": origin.evidence,
    }


def score_of(score: float | None) -> float | None:
    """``score`` if JSON has a word for it; some stores give a number type of their own."""
    if score is None or (type(score) is float and math.isfinite(score)):  # as almost all are
        return score
    try:
        number = float(score)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _attribution(found: Attribution) -> dict[str, Any]:
    said: dict[str, Any] = {
        "verdict": found.verdict,
        "spans": [[s.message, s.start, s.end, s.chunk_start, s.chunk_end] for s in found.spans],
        "runs": [[s.symbols, s.evidence, int(s.verbatim)] for s in found.spans],
    }
    if found.whole:
        said["whole"] = True
    if found.group:
        said["group"] = list(found.group)
    return said
