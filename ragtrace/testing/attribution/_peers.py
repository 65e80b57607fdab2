"""Peers: other ways to find documents in a prompt, each as its authors would use it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

from ragtrace.attribution import skeleton

__all__ = ["PEERS", "Peer", "missing_peers"]

Scan = Callable[[str], object]

ANCHOR: Final = 24
"""Symbols of an anchor: a run of 24 is found where one begins."""

ANCHORS_EVERY: Final = 8
WORDS: Final = 5
"""Words of a shingle."""

SHINGLES: Final = 3
"""Shingles of a document alone that have to be there."""


class Peer(NamedTuple):
    """A way, and how to prepare it for some documents.

    Attributes:
        needs: The package it comes from; empty where it is Python's own.
        slow: How many times fewer repetitions it gets, so that the bench ends.
        largest: Characters of a prompt beyond which it is left out, and the bench says so.
    """

    name: str
    prepare: Callable[[Sequence[str]], Scan]
    needs: str = ""
    slow: int = 1
    largest: int = 1 << 30


def missing_peers() -> list[str]:
    """Packages of peers that are not installed."""
    return sorted({p.needs for p in PEERS if p.needs and find_spec(p.needs) is None})


def _exact(documents: Sequence[str]) -> Scan:
    return lambda prompt: [text for text in documents if text in prompt]


def _anchors(documents: Sequence[str]) -> Scan:
    """Anchors of all documents in one automaton, which reads the prompt's skeleton."""
    import ahocorasick_rs

    anchors: dict[str, int] = {}
    for number, text in enumerate(documents):
        symbols = skeleton(text).symbols
        for at in range(0, len(symbols) - ANCHOR + 1, ANCHORS_EVERY):
            anchors[symbols[at : at + ANCHOR]] = number
    owners = list(anchors.values())
    automaton = ahocorasick_rs.AhoCorasick(list(anchors))

    def scan(prompt: str) -> Counter[int]:
        found = automaton.find_matches_as_indexes(skeleton(prompt).symbols)
        return Counter(owners[match[0]] for match in found)

    return scan


def _partial_ratio(documents: Sequence[str]) -> Scan:
    from rapidfuzz.fuzz import partial_ratio

    return lambda prompt: [partial_ratio(text, prompt, score_cutoff=80) for text in documents]


def _shingles(documents: Sequence[str]) -> Scan:
    """Word 5-grams that only one document has (document frequency 1)."""
    sets = [_grams(text) for text in documents]
    frequency = Counter(gram for grams in sets for gram in grams)
    alone = [{gram for gram in grams if frequency[gram] == 1} for grams in sets]

    def scan(prompt: str) -> list[int]:
        said = _grams(prompt)
        return [n for n, grams in enumerate(alone) if len(grams & said) >= SHINGLES]

    return scan


def _grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[at:] for at in range(WORDS)), strict=False))


PEERS: Final = (
    Peer("exact `in`", _exact),
    Peer("ahocorasick_rs, 24-symbol anchors", _anchors, needs="ahocorasick_rs", slow=2),
    Peer("word 5-gram sets, DF = 1", _shingles, slow=4),
    Peer(
        "rapidfuzz partial_ratio",
        _partial_ratio,
        needs="rapidfuzz",
        slow=30,
        largest=20_000,  # seconds a call beyond that
    ),
)
"""What the figures stand beside."""
