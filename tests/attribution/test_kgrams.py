"""K-grams over the edge of two texts are those of both behind each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ragtrace.attribution._kgrams import K, kgrams, seeds_of
from ragtrace.attribution._skeleton import skeleton

SYMBOLS = st.text(st.sampled_from("abcz09\u0436\u4e2d\U0001d7d8"), min_size=K - 1, max_size=K - 1)
NOTHING = "\x00" * (K - 1)


@given(SYMBOLS, SYMBOLS)
def test_what_two_texts_add_makes_the_kgrams_over_their_edge(one: str, other: str) -> None:
    apart = seeds_of([one + NOTHING]) + seeds_of([NOTHING + other])
    assert apart.tolist() == seeds_of([one + other]).tolist()


@given(st.lists(st.text(max_size=60), max_size=4))
def test_the_seeds_of_several_texts_are_those_of_each(texts: list[str]) -> None:
    """And no others but such as go over what is between them, which no text has."""
    rows = [skeleton(text) for text in texts]
    each = {one for row in rows for one in kgrams(row.codes()).tolist()}
    assert each <= set(seeds_of([row.symbols for row in rows]).tolist())
