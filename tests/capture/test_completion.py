"""What is remembered of an answer: its words, and what it wrote for tools; not the question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragtrace
from ragtrace.attribution import Cover
from ragtrace.capture import Call, Model, Retrieval, current, current_request
from ragtrace.capture._assembly import Assembly
from ragtrace.capture._completion import _own_words, written
from ragtrace.model import (
    Action,
    Attribution,
    Decision,
    Label,
    Message,
    Passage,
    Source,
    Span,
)
from ragtrace.testing import Recorder, recording
from tests.prose import prose

NOTE = prose(7, 40)
MADE = prose(21, 40)
QUESTION = f"Dear bank, {prose(22, 20)} Is that so?"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(), some, max_size=4),
)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\nlevels: [public, staff_only]\notherwise: block\n"
        "audiences:\n  customer: {clearance: public}\n  staff: {clearance: staff_only}\n"
        "labels: {level_keys: [label]}\n"
    )
    with recording(str(path), instrument=False) as recorded:
        yield recorded


def call(*messages: Message, stream: bool = False) -> Call:
    """A call of the current request."""
    runtime, request = current(), current_request()
    assert runtime is not None and request is not None
    return Call(runtime, request, Model("chat"), messages, stream=stream)


def note_in_prompt(question: str = "And now?", *, stream: bool = False) -> Call:
    """A colleague's call with the staff note in its prompt."""
    runtime, request = current(), current_request()
    assert runtime is not None and request is not None
    search = Retrieval(runtime, request, Source("kb"), top_k=1, query="").begin()
    search.judge([Passage(NOTE, Source("kb"), {"label": "staff_only"}, "note")])
    search.end()
    return call(Message("system", NOTE), Message("user", question), stream=stream)


def blocked(*texts: str) -> list[bool]:
    """Whether each stops a customer's prompt."""
    said = []
    for text in texts:
        with ragtrace.request("customer"):
            said.append(call(Message("tool", text)).blocked)
    return said


def test_what_was_written_for_a_tool_is_known_wherever_it_stood(recorder: Recorder) -> None:
    """In a value, in the name of a field, in JSON or not; in an answer that says nothing else."""
    wheres = [{"q": [MADE]}, {MADE: 1}, MADE, {"a": {"b": "x"}, "z": f"…{MADE}…"}]
    for number, where in enumerate(wheres):
        text = MADE.replace(MADE[:40], prose(300 + number, 6))
        aside = json.dumps(where).replace(MADE, text) if not isinstance(where, str) else text
        with ragtrace.request("staff"):
            made = note_in_prompt()
            made.record("", aside)
            made.finish()
        assert blocked(text) == [True]


def test_one_answer_with_thousands_of_strings_pushes_nothing_out(recorder: Recorder) -> None:
    with ragtrace.request("staff"):
        made = note_in_prompt()
        made.record(MADE)
        made.finish()
        flood = note_in_prompt()
        flood.record("", *(prose(1000 + n, 14) for n in range(2100)))
        flood.finish()
    assert blocked(MADE, prose(1005, 14)) == [True, True]


@pytest.mark.parametrize("size", [0, 30_000])
def test_a_question_that_is_repeated_is_no_secret_however_long_it_is(
    recorder: Recorder, size: int
) -> None:
    question = prose(50, size // 6) + QUESTION
    with ragtrace.request("staff"):
        made = note_in_prompt(question)
        made.record(f"You ask: {QUESTION} {MADE}")
        made.finish()
    assert blocked(QUESTION, MADE) == [False, True]


def test_a_short_question_handed_on_as_it_is_is_no_secret(recorder: Recorder) -> None:
    """A rewriter may give back what it was given; half a word of it is not that."""
    with ragtrace.request("staff"):
        for said, free in (("overdraft fee", True), ("draft fee", False)):
            made = note_in_prompt("overdraft fee")
            made.record(said)
            made.finish()
            handed_on = call(Message("user", said))
            label = handed_on._assembly.inherited[0]
            assert (label.level == "public") == free


def test_what_a_stream_has_said_is_known_to_the_next_step_before_it_has_ended(
    tmp_path: Path,
) -> None:
    """An agent breaks off a stream, keeps its iterator, and hands on what it has."""
    path = tmp_path / "used.yaml"
    path.write_text(
        "version: 1\nlevels: [public, staff_only]\notherwise: context_only\n"
        "audiences:\n  customer: {clearance: public}\nlabels: {level_keys: [label]}\n"
    )
    with recording(str(path), instrument=False), ragtrace.request("customer"):
        open_still = note_in_prompt(stream=True)
        for word in MADE.split():
            open_still.say(f"{word} ")
        following = call(Message("tool", MADE))
        assert [flow.chunk.origins[0].document for flow in following._assembly.flows] == ["note"]
        (said,) = following.whole(f"It is: {MADE}")
        assert MADE not in said
        open_still.finish()


@given(JSON)
def test_every_string_of_a_tools_arguments_is_read(value: object) -> None:
    def strings(one: object) -> Iterator[str]:
        if isinstance(one, str):
            yield one
        for part in one.items() if isinstance(one, dict) else one if isinstance(one, list) else ():
            yield from (
                (p for piece in part for p in strings(piece))
                if isinstance(part, tuple)
                else strings(part)
            )

    assert written(json.dumps(value)) == "\n".join(strings(value))


@given(st.text())
def test_what_is_no_json_is_read_as_it_stands(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        assert written(text) == text


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 9)), max_size=8),
    st.lists(st.integers(0, 30), min_size=3, max_size=3),
)
def test_a_prompt_has_of_its_own_what_is_in_nothing_found(
    places: list[tuple[int, int, int]], sizes: list[int]
) -> None:
    """Whatever overlaps, and in whatever order it was found."""
    texts = [prose(seed, 12)[:size] for seed, size in enumerate(sizes)]
    spans = [(m, s, min(len(texts[m]), s + n)) for m, s, n in places if s < len(texts[m])]
    found = [Attribution("", "certain", (Span(m, s, e, 0, e - s, e - s),)) for m, s, e in spans]
    held = Cover.of(spans)
    made = Assembly(
        tuple(Message("user", text) for text in texts),
        *(Decision(Action.ALLOW, "", ""), (), tuple(found), {}, Label(""), ()),
    )
    assert _own_words(made) == [
        text[start:end]
        for message, text in enumerate(texts)
        for start, end in held.left(message, 0, len(text))
    ]
