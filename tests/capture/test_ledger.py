"""What a ledger finds does not depend on what it is told to expect."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.capture._derived import Derived
from ragtrace.capture._ledger import Ledger
from ragtrace.labels import Lattice
from ragtrace.model import Chunk, Message
from tests.prose import chunk, prose

LATTICE = Lattice(("public", "secret"))
PASSAGES = tuple(chunk(prose(seed, 28)) for seed in range(4))
SAID = st.one_of(
    st.integers(20, 24).map(lambda seed: prose(seed, 25)),
    st.tuples(st.integers(0, 3), st.integers(0, 90)).map(
        lambda cut: f"{prose(30, 9)} {PASSAGES[cut[0]].text[cut[1] : cut[1] + 70]}"
    ),
    st.sampled_from(["You may, yes.", PASSAGES[0].text]),
)
STEPS = st.lists(st.one_of(st.sampled_from(PASSAGES), SAID), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    before=STEPS,
    between=STEPS,
    places=st.lists(st.integers(0, 3), unique=True, max_size=4),
    question=SAID,
)
def test_what_is_found_does_not_depend_on_what_is_expected(
    before: list[Chunk | str], between: list[Chunk | str], places: list[int], question: str
) -> None:
    ledger = Ledger()
    quoted = [PASSAGES[place] for place in places]
    text = "\n\n".join([*(one.text for one in quoted), f"Question: {question}"])
    prompt = [Message("system", "Answer from the context only."), Message("user", text)]
    for steps in (before, between):
        for step in steps:
            if isinstance(step, str):
                ledger.documents_in(step)
                ledger.said(Derived(chunk(step, "secret")), LATTICE)
            else:
                ledger.add([step])
        told = ledger.attribute(prompt, [one.digest for one in quoted])
        read = ledger.attribute(prompt)
        assert (told.found, told.derived) == (read.found, read.derived)
        assert (told.chunks, told.made) == (read.chunks, read.made)
        assert [*told.template] == [*read.template]


def test_what_was_found_in_no_passage_is_not_looked_for_again() -> None:
    """A prompt of passages and a question is told without being read."""
    ledger = Ledger()
    ledger.add(PASSAGES)
    answer = prose(40, 60)
    assert ledger.documents_in(answer) == ((), {})
    ledger.said(Derived(chunk(answer, "secret")), LATTICE)
    text = "\n\n".join([*(one.text for one in PASSAGES), prose(41, 12)])
    seen = ledger.attribute([Message("user", text)], [one.digest for one in PASSAGES])
    assert [one.chunk for one in seen.found] == [one.digest for one in PASSAGES]
    assert seen.reading is None
    assert ledger.completions_in([one.text for one in PASSAGES]) == ((), {})
