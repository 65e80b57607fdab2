"""Runs: stretches of a text that have seeds in a row in common with one document."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._chains import Chains, Matches
from ragtrace.attribution.corpus._documents import Documents
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._seeds import SEED, STRIDE, Codes, Hashes
from ragtrace.attribution.corpus._snapshot import OpenSegment

__all__ = ["Runs", "find_runs"]

ONE_SEED: Final = SEED + STRIDE
"""A document of fewer symbols has one seed at most; it is found where all of it is there."""

Numbers = NDArray[np.int64]


class Runs(NamedTuple):
    """Runs of one segment's documents, in symbols of the text.

    Attributes:
        sizes: At each place of the text how many entries its seed has.
        crowded: Whether a seed has so many that not all were followed.
    """

    documents: Numbers
    starts: Numbers
    ends: Numbers
    sizes: Numbers
    crowded: bool


def find_runs(held: OpenSegment, hashes: Hashes, codes: Codes, key: Key) -> Runs | None:
    """The runs that a text shares with the documents of a segment that count.

    Args:
        held: The segment.
        hashes: Of the seed at every place of the text.
        codes: Of the text's symbols.
        key: Of the index.

    Raises:
        CorpusIndexError: The segment is damaged.
    """
    found = held.segment.find(hashes)
    if not len(found.places):
        return None
    matches = Matches(held, found, len(hashes))
    chains = matches.chains()
    several = chains.lasts > chains.firsts
    small = _whole(chains.only(~several), held.segment.documents, codes, key)
    chains = chains.only(several)
    if matches.crowded.any():
        chains = chains.and_also(matches.missed(chains))
    parts = [(chains.documents, chains.firsts, chains.lasts + SEED), small]
    documents, starts, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(documents):
        return None
    return Runs(documents, starts, ends, matches.sizes(), bool(matches.crowded.any()))


def _whole(
    hits: Chains, documents: Documents, codes: Codes, key: Key
) -> tuple[Numbers, Numbers, Numbers]:
    """Documents of one seed of which not the seed alone is there, but every symbol."""
    lengths = documents.symbols.take(hits.documents).astype(np.int64)
    ends = hits.firsts + lengths
    near = np.flatnonzero((lengths < ONE_SEED) & (ends <= len(codes)))
    kept = [
        place
        for place in near.tolist()
        if key.digest(_text(codes[hits.firsts[place] : ends[place]]))
        == documents.digests[hits.documents[place]].tobytes()
    ]
    return hits.documents[kept], hits.firsts[kept], ends[kept]


def _text(codes: Codes) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
