"""Foreign: what is said to have nothing in common has nothing that an index would find."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import Index, foreign
from ragtrace.model import Chunk, Document, Label, Message, Source, digest
from tests.laws import examples

WORDS = st.lists(
    st.sampled_from(["loan", "charge", "&amp;", "Ärger", "12", "ab", "東京"]), max_size=30
)
TEXT = WORDS.map(" ".join)


def index(*texts: str) -> Index:
    made = Index()
    for text in texts:
        name = digest(text)
        made.add(Chunk(name, Document(name), Source("s"), text, name, Label(""), "test"))
    return made


@settings(max_examples=examples(500), deadline=None)
@given(pieces=st.lists(TEXT, min_size=1, max_size=3), text=TEXT, copied=st.integers(0, 80))
def test_an_index_finds_nothing_where_all_is_foreign(
    pieces: list[str], text: str, copied: int
) -> None:
    for said in (text, f"{text}{pieces[0][:copied]}", f"{pieces[-1][copied:]}. {text}"):
        if foreign(pieces, said):
            assert index(*pieces).attribute([Message("assistant", said)]) == []


def test_a_question_that_is_repeated_is_not_foreign() -> None:
    question = "What does it cost to repay my mortgage before its end?"
    assert not foreign([question], f"You ask: {question} It is free.")
    assert foreign([question], "The charge is two per cent of what is left of the loan.")


def test_of_very_much_nothing_is_said() -> None:
    assert not foreign(["word " * 1_000], "quite something else")
