"""Attribution: which characters of a text came from which chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Attribution", "Span", "Verdict"]

Verdict = Literal["certain", "ambiguous", "explained", "none"]


class Span(NamedTuple):
    """Characters of a message that are characters of a chunk; ends are exclusive.

    A tuple, unlike other records: a long prompt has thousands, made in a fourth of the time.

    A character that stands for several symbols, such as a ligature, belongs to a range where
    any of them does. Where a chunk repeats itself and holds the text several times, its range
    goes from the first copy to the end of the last.

    Attributes:
        message: Index of the message in the prompt, 0 in a completion.
        symbols: Letters and digits that agree, without a break.
        verbatim: Whether the two ranges are the same, character by character.
        evidence: Sixteen symbols in a row that no other chunk has there, counted along the edited
            copy that the range is part of.
    """

    message: int
    start: int
    end: int
    chunk_start: int
    chunk_end: int
    symbols: int
    verbatim: bool = False
    evidence: int = 0


@dataclass(frozen=True, slots=True)
class Attribution:
    """How a chunk is found in a text.

    Attributes:
        chunk: Digest of the chunk.
        verdict: ``certain`` where enough text of this chunk alone is there; ``explained`` where
            all of it stands in chunks of ``group`` that are certain; ``ambiguous`` where the
            chunks of ``group`` have it too and nothing tells them apart, or where it is too
            short to be sure; ``none`` where nothing was found.
        group: Digests of other chunks, for ``ambiguous`` and ``explained``, the first few.
        whole: Whether a run is all of the chunk.
    """

    chunk: str
    verdict: Verdict
    spans: tuple[Span, ...] = ()
    group: tuple[str, ...] = ()
    whole: bool = False
