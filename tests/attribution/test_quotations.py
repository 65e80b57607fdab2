"""What is told of quoted passages without reading them is what reading them would tell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ragtrace.attribution import Index, Quotations, read
from ragtrace.attribution._fold import Places
from ragtrace.attribution._matcher import COMMON
from ragtrace.attribution._seeds import Seeds
from ragtrace.model import Chunk, Message
from tests.laws import examples
from tests.prose import chunk, prose

PASSAGES = tuple(prose(seed, 28) for seed in range(5))
SHORT = tuple(prose(seed, 6) for seed in range(90, 94))
JOINTS = (
    "",
    "\n\n",
    ". ",
    "\n---\n",
    " <b>",
    "</doc>\n<doc>",
    "&",
    "&amp; ",
    "%2",
    "\\",
    "<a href=x",
    "\n" + "-" * 40 + "\n",
    "Source 2: ",
    "aGVsbG8gd29ybGQgYW5kIG1vcmU",
    prose(95, 9),
    *SHORT,
)


class Shelf:
    """Passages and others, each in an index, and what tells of them."""

    def __init__(self) -> None:
        self.passages, self.others = Index(), Index()
        self.quotations = Quotations(self.passages, self.others)

    def add(self, text: str) -> Chunk:
        one = chunk(text)
        if one.digest not in self.passages:
            self.passages.add(one)
            self.quotations.add(one.digest, text)
        return one

    def add_other(self, text: str) -> None:
        one = chunk(text)
        if one.digest not in self.others:
            self.others.add(one)
            self.quotations.add_other(one.digest, text)

    def remove(self, one: Chunk) -> None:
        self.passages.remove(one.digest)
        self.quotations.remove(one.digest)

    def agrees(self, messages: Sequence[Message], expected: Sequence[str]) -> bool | None:
        """Whether what it tells is right; ``None`` if it tells nothing."""
        told = self.quotations.find(messages, expected)
        if told is None:
            return None
        reading = read(messages)
        return told == self.passages.attribute(reading) and not self.others.attribute(reading)


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """A passage, a part of one, or what goes from one over a joint into the next."""
    one, other = draw(st.sampled_from(PASSAGES)), draw(st.sampled_from(PASSAGES))
    joint = draw(st.sampled_from(JOINTS))
    kind = draw(st.sampled_from(["whole"] * 4 + ["part", "seam", "edge", "joint"]))
    if kind == "whole":
        return one
    if kind == "joint":
        return joint
    last, first = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    if kind == "part":
        return one[last : len(one) - first]
    end = one[len(one) - last :]
    return end + joint + other[:first] if kind == "seam" else end


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_what_is_told_of_quotations_is_what_the_indices_find(data: st.DataObject) -> None:
    shelf = Shelf()
    known: list[Chunk] = []
    for _ in range(data.draw(st.integers(1, 3))):
        known += [shelf.add(text) for text in data.draw(st.lists(pieces(), min_size=1, max_size=4))]
        for text in data.draw(st.lists(pieces(), max_size=2)):
            shelf.add_other(text)
        forgotten: int = data.draw(st.integers(-1, len(known) - 1))
        if forgotten >= 0:
            gone = known[forgotten]
            shelf.remove(gone)
            known = [one for one in known if one != gone]
        if not known:
            continue
        quoted = data.draw(st.lists(st.sampled_from([one.text for one in known]), unique=True))
        beside = data.draw(st.lists(pieces(), max_size=1))
        cut = data.draw(st.integers(0, len(quoted)))
        joint = st.sampled_from(JOINTS)
        texts = [data.draw(joint).join([*quoted[:cut], *beside])]
        texts += [data.draw(joint).join(quoted[cut:])]
        messages = [Message("user", text) for text in texts]
        expected = data.draw(st.permutations(list(dict.fromkeys(one.digest for one in known))))
        agrees = shelf.agrees(messages, expected)
        event(f"told: {agrees}")
        assert agrees is not False


@pytest.mark.parametrize("joint", ["\n\n", "\n<doc>\n", " \n--\n", "; he said: ", "."])
def test_passages_among_other_words_are_told(joint: str) -> None:
    """The way most prompts are made, also with markup between."""
    shelf = Shelf()
    known = [shelf.add(text).digest for text in PASSAGES]
    shelf.add_other(prose(70, 40))
    prompt = f"Context:\n{joint.join(PASSAGES[:4])}\n\nQuestion: {prose(71, 9)}"
    messages = [Message("system", "Answer from the context only."), Message("user", prompt)]
    assert shelf.agrees(messages, known) is True
    assert shelf.agrees(messages, known[::-1]) is True
    shelf.add_other(prose(72, 40))
    assert shelf.agrees(messages, known) is True


@pytest.mark.parametrize("last", range(0, 64, 3))
@pytest.mark.parametrize("joint", ["", "\n\n", " and then "])
def test_what_goes_from_one_passage_into_the_next_is_found(last: int, joint: str) -> None:
    """Wherever the seam is in it; and what is too short for a run is nothing."""
    one, two = PASSAGES[:2]
    shelf = Shelf()
    known = [shelf.add(one).digest, shelf.add(two).digest]
    messages = [Message("user", f"{one}{joint}{two}")]
    assert shelf.agrees(messages, known) is True
    across = f"{one[len(one) - last :]}{joint}{two[: 64 - last]}"
    for add in (shelf.add, shelf.add_other):
        add(f"{prose(80, 12)} {across} {prose(81, 12)}")
        assert shelf.agrees(messages, known) is not False
    reading = read(messages)
    assert shelf.others.attribute(reading)
    assert shelf.quotations.find(messages, known) is None


def test_a_text_is_strange_only_where_no_passage_is_in_it() -> None:
    shelf = Shelf()
    for text in (*PASSAGES, "Code 4711-AB"):
        shelf.add(text)
    told = shelf.quotations.is_strange
    assert told("a", prose(60, 30))
    assert not told("b", f"{prose(61, 20)} {PASSAGES[2][50:150]}")
    assert not told("c", f"{prose(61, 20)} code 4711 ab.")
    assert not told("d", "&#84;ell me")


def test_what_others_quote_is_read() -> None:
    """A passage of which something was said is no stranger to what was said."""
    shelf = Shelf()
    known = [shelf.add(text).digest for text in PASSAGES]
    messages = [Message("user", "\n".join(PASSAGES[:3]))]
    assert shelf.agrees(messages, known) is True
    assert shelf.quotations.are_strange(PASSAGES)
    shelf.add_other(f"{prose(61, 20)} {PASSAGES[2][50:150]}")
    assert not shelf.quotations.are_strange(PASSAGES)
    assert shelf.quotations.are_strange(PASSAGES[:2])
    assert shelf.quotations.find(messages, known) is None


def test_what_could_not_be_compared_is_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory may run out in the midst of it: the next prompt is not judged by half of it."""
    shelf = Shelf()
    known = [shelf.add(text).digest for text in PASSAGES]
    messages = [Message("user", "\n".join(PASSAGES[:3]))]
    assert shelf.agrees(messages, known) is True
    shelf.add_other(f"{prose(61, 20)} {PASSAGES[2][50:150]}")
    with monkeypatch.context() as patch:
        patch.setattr(Index, "in_common", _out_of_memory)
        with pytest.raises(MemoryError):
            shelf.quotations.find(messages, known)
    assert not shelf.quotations.are_strange(PASSAGES)
    assert shelf.quotations.find(messages, known) is None


@pytest.mark.parametrize("most", [0, COMMON])
def test_a_passage_that_could_not_be_compared_is_compared_again(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """One that is known is not told by itself where the new one has as much of what was said."""
    shelf = Shelf()
    known = [shelf.add(text).digest for text in PASSAGES]
    messages = [Message("user", "\n".join(PASSAGES[:3]))]
    assert shelf.agrees(messages, known) is True
    for number in range(COMMON + 1):  # more of them are boilerplate
        shelf.add(f"{PASSAGES[2]} {prose(61 + number, 20)}")
    expand = Seeds.expand

    def narrow(seeds: Seeds, places: Places, heads: Places, each: int) -> tuple[Places, Places]:
        if each > most:
            raise MemoryError
        return expand(seeds, places, heads, each)

    with monkeypatch.context() as patch:
        patch.setattr(Seeds, "expand", narrow)
        with pytest.raises(MemoryError):
            shelf.quotations.find(messages, known)
    assert not shelf.quotations.are_strange(PASSAGES)
    assert shelf.quotations.find(messages, known) is None


def _out_of_memory(*_: object) -> None:
    raise MemoryError
