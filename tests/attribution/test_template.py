"""What templates promise: the application's own words are learned, a leak never is."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import TEMPLATE, Index, Templates
from ragtrace.attribution._template import LEARNED, SHARED
from ragtrace.model import Attribution, Chunk, Message
from tests.prose import chunk, prose

FOOTER = "This page is for general information only and is never an offer to anybody."
HEAD = "You are the assistant of Harbour Bank. Answer from the context, politely.\n\n"
TAIL = "\n\nAnswer in one sentence, and say where it stands."


class Application:
    """An application that makes prompts, and what has been learned from them."""

    def __init__(self, *chunks: Chunk) -> None:
        self.index, self.templates = Index(), Templates()
        self.chunks = {one.digest: one for one in chunks}
        for one in chunks:
            self.index.add(one)

    def ask(self, turn: str, *messages: Message) -> dict[str, Attribution]:
        """What is found in a prompt, settled and learned from."""
        found = self.index.attribute(messages)
        static = self.templates.find(messages)
        settled = self.templates.settle(static, found, self.chunks)
        self.templates.learn(turn, messages, found, self.chunks)
        return {one.chunk: one for one in settled}

    def static(self, *messages: Message) -> list[str]:
        """The template text of each message."""
        return [
            "".join(m.text[at] for at in range(len(m.text)) if cover.holds(0, at, at + 1))
            for m in messages
            for cover in [self.templates.find([m])]
        ]


def prompt(seed: int, context: str = "") -> Message:
    """A prompt with what changes in the middle."""
    return Message("user", f"{HEAD}{context or prose(seed, 30)}{TAIL}")


def test_what_every_prompt_begins_and_ends_with_is_learned() -> None:
    """After LEARNED requests and not before, and no more than they have in common."""
    app = Application()
    for turn in range(LEARNED):
        assert app.static(prompt(99)) == [""]
        app.ask(f"turn {turn}", prompt(turn))
    assert app.static(prompt(99)) == [HEAD + TAIL]
    assert app.static(Message("system", prompt(99).text)) == [""]


def test_the_turns_of_one_request_count_once() -> None:
    """An agent that calls its model eight times has made one request."""
    app = Application()
    for _ in range(3 * LEARNED):
        app.ask("one turn", prompt(1))
    assert app.static(prompt(1)) == [""]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 50), min_size=LEARNED, max_size=20, unique=True))
def test_retrieved_text_is_never_learned(seeds: list[int]) -> None:
    """Also where the same document comes in every prompt, first thing."""
    same = chunk(prose(10**6))
    app = Application(same)
    for seed in seeds:
        text = f"{HEAD}{same.text}\n{prose(seed, 20)}{TAIL}"
        found = app.ask(f"turn {seed}", Message("user", text))
        assert found[same.digest].verdict == "certain"
    (static,) = app.static(Message("user", f"{HEAD}{same.text}{TAIL}"))
    assert static.rstrip() in (HEAD + TAIL).rstrip() or static == HEAD + TAIL


def test_a_footer_in_the_template_is_explained_by_it() -> None:
    """Where several documents have it; the document whose footer it is not is unmoved."""
    chunks = [chunk(f"{prose(seed)} {FOOTER}") for seed in range(SHARED)]
    app = Application(*chunks)
    for turn in range(LEARNED):
        found = app.ask(str(turn), Message("system", HEAD + FOOTER), Message("user", str(turn)))
        assert {one.verdict for one in found.values()} == {"ambiguous"}
    found = app.ask("next", Message("system", HEAD + FOOTER), Message("user", chunks[0].text))
    assert found.pop(chunks[0].digest).verdict == "certain"
    found = app.ask("last", Message("system", HEAD + FOOTER), Message("user", "Why?"))
    assert {(one.verdict, one.group) for one in found.values()} == {("explained", (TEMPLATE,))}


def test_a_note_pasted_into_the_template_stays_a_leak() -> None:
    """What fewer documents say is not explained, however many prompts have it."""
    chunks = [chunk(f"{prose(seed)} {FOOTER}") for seed in range(SHARED - 1)]
    app = Application(*chunks)
    for turn in range(3 * LEARNED):
        found = app.ask(str(turn), Message("system", HEAD + FOOTER), Message("user", str(turn)))
        assert {one.verdict for one in found.values()} == {"ambiguous"}


def test_many_footers_in_one_prompt_take_steps_in_proportion() -> None:
    """Each is looked up once, however many documents have it."""
    chunks = [chunk(f"{prose(seed, 20)} {FOOTER}") for seed in range(40)]
    app = Application(*chunks)
    messages = [Message("system", " ".join(f"{FOOTER} {n} z" for n in range(400)))]
    found = app.index.attribute(messages)
    calls = [0]

    def counted(frame: object, event: str, argument: object) -> None:
        calls[0] += event == "call"

    sys.setprofile(counted)
    try:
        app.templates.learn("one", messages, found, app.chunks)
    finally:
        sys.setprofile(None)
    assert calls[0] < 5 * 400 * 40


def test_the_conversation_is_not_learned() -> None:
    """A message that comes again with every turn, as history does, is not template."""
    app = Application()
    first = Message("user", "My name is Ada Lovelace and my card was swallowed by a machine.")
    for turn in range(3 * LEARNED):
        app.ask(str(turn), first, Message("assistant", "I see."), Message("user", str(turn)))
    assert app.static(first) == [""]
