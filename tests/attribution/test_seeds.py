"""Seeds: what waits to be linked is found as what is linked."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragtrace.attribution._seeds import Seeds

HASHES = st.lists(st.sampled_from([n * 0x01010101 for n in range(24)]), max_size=12)
"""Few, so that many are met again, and some share a slot."""


def _added(seeds: Seeds, hashes: list[int], owner: int) -> None:
    codes = np.array(hashes, np.uint32)
    seeds.add(codes, np.arange(len(codes)), np.full(len(codes), owner))


def _found(seeds: Seeds, hashes: NDArray[np.uint32]) -> set[tuple[int, int, int]]:
    """Every place of ``hashes`` with the chunk and the place in it of each of its seeds."""
    places, heads, _ = seeds.find(hashes)
    at, every = seeds.expand(places, heads, len(seeds) + 1)
    pairs = zip(seeds.owners[every].tolist(), seeds.places[every].tolist(), strict=True)
    return {(int(place), *pair) for place, pair in zip(at, pairs, strict=True)}


@given(st.lists(HASHES, max_size=6), HASHES)
def test_every_seed_of_a_hash_is_found_however_late_it_was_added(
    chunks: list[list[int]], asked: list[int]
) -> None:
    wanted = np.array(asked, np.uint32)
    seeds = Seeds()
    added: list[list[int]] = []
    for owner, chunk in enumerate(chunks):
        _added(seeds, chunk, owner)
        added.append(chunk)
        expected = {
            (place, number, within)
            for place, one in enumerate(asked)
            for number, hashes in enumerate(added)
            for within, other in enumerate(hashes)
            if one == other
        }
        assert _found(seeds, wanted) == expected


@given(st.lists(HASHES, max_size=6), HASHES)
def test_looking_in_between_changes_nothing(chunks: list[list[int]], asked: list[int]) -> None:
    wanted = np.array(asked, np.uint32)
    often, once = Seeds(), Seeds()
    for owner, chunk in enumerate(chunks):
        _added(often, chunk, owner)
        _added(once, chunk, owner)
        often.find(wanted)
    assert _found(often, wanted) == _found(once, wanted)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([300, 40_000]), st.booleans())
def test_of_very_many_each_is_found(seed: int, different: int, look: bool) -> None:
    """Also where they were linked at different times, and where the table has grown in between."""
    dice = np.random.default_rng(seed)
    hashes = dice.integers(0, 1 << 32, different, dtype=np.uint32)
    seeds = Seeds()
    expected: dict[int, set[tuple[int, int]]] = {}
    for owner in range(30):
        chunk = dice.choice(hashes, int(dice.integers(0, 3_000)))
        seeds.add(chunk, np.arange(len(chunk)), np.full(len(chunk), owner))
        for within, one in enumerate(chunk.tolist()):
            expected.setdefault(one, set()).add((owner, within))
        if look:
            seeds.find(hashes[:20])
    asked = np.concatenate([hashes[:200], hashes[:200] + np.uint32(1)])
    found: dict[int, set[tuple[int, int]]] = {}
    for place, owner, within in _found(seeds, asked):
        found.setdefault(place, set()).add((owner, within))
    for place, one in enumerate(asked.tolist()):
        assert found.get(place, set()) == expected.get(one, set())
