"""What may be read anyway is found as a plain reading finds it, and cheaply."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.attribution import Cover, accounted_for
from ragtrace.labels import LabelKeys, Labeller, Lattice
from ragtrace.model import (
    Action,
    Attribution,
    Audience,
    Chunk,
    Document,
    Label,
    LabelledRange,
    Source,
    Span,
)
from ragtrace.policy import Policy, judge, judge_found, label_found, without_readable

LEVELS = ("public", "internal", "secret")
LATTICE = Lattice(LEVELS)
POLICY = Policy(LATTICE, Labeller(LATTICE, LabelKeys(), (), (), "secret"))
READER = Audience("staff", "internal")


def plainly(found: Sequence[Attribution], chunks: Mapping[str, Chunk]) -> list[Attribution]:
    """Span by span: what is restricted and stands in what is readable is set aside."""

    def allowed(one: Attribution, span: Span) -> bool:
        label = label_found(POLICY, chunks[one.chunk], replace(one, spans=(span,), whole=True))
        return judge(POLICY, chunks[one.chunk], label, READER).action is Action.ALLOW

    def place(span: Span) -> tuple[int, int, int]:
        return span.message, span.start, span.end

    readable = Cover.of(place(span) for one in found for span in one.spans if allowed(one, span))
    return [
        replace(
            one,
            spans=tuple(
                span
                for span in one.spans
                if allowed(one, span) or not accounted_for(Cover.of([place(span)]), readable)
            ),
        )
        for one in found
    ]


def made_chunk(name: str, level: str, ranges: list[tuple[int, int, str]]) -> Chunk:
    parts = tuple(LabelledRange(start, start + size, Label(of)) for start, size, of in ranges)
    source, document = Source("kb/x"), Document(name)
    return Chunk(name, document, source, "x" * 400, name, Label(level), "made", parts)


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(LEVELS),
        st.lists(
            st.tuples(st.integers(0, 300), st.integers(1, 100), st.sampled_from(LEVELS)),
            max_size=2,
        ),
        st.lists(
            st.builds(
                lambda message, start, size, shift: Span(
                    message, start, start + size, shift, shift + size, size
                ),
                st.integers(0, 1),
                st.integers(0, 200),
                st.integers(1, 120),
                st.integers(0, 200),
            ),
            max_size=4,
        ),
    ),
    max_size=5,
)


@given(CHUNKS)
def test_restricted_text_is_set_aside_where_it_may_be_read(drawn: list[Any]) -> None:
    """Chunks with and without parts, spans that overlap, in two messages."""
    chunks = {
        str(place): made_chunk(str(place), level, ranges)
        for place, (level, ranges, _) in enumerate(drawn)
    }
    found = [
        Attribution(str(place), "certain", tuple(spans))
        for place, (_, _, spans) in enumerate(drawn)
    ]
    assert without_readable(POLICY, found, chunks, READER) == plainly(found, chunks)


def calls_of(run: Callable[[], object]) -> int:
    """Calls of Python code."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    ("ranges", "a_document"), [([], 24), ([(300, 50, "public")], 100)], ids=["whole", "in parts"]
)
def test_where_nothing_is_restricted_a_prompt_is_judged_in_few_calls(
    ranges: list[tuple[int, int, str]], a_document: int
) -> None:
    """A hundred documents with five spans each: not span by span, unless they have parts."""
    chunks = {str(n): made_chunk(str(n), "public", ranges) for n in range(100)}
    found = [
        Attribution(
            name,
            "certain",
            tuple(Span(0, at, at + 50, at % 400, at % 400 + 50, 50) for at in range(0, 350, 70)),
        )
        for name in chunks
    ]

    def judged() -> None:
        readable = without_readable(POLICY, found, chunks, READER)
        decisions = judge_found(POLICY, readable, chunks, READER)
        assert {one.action for one in decisions.values()} == {Action.ALLOW}

    judged()
    assert calls_of(judged) <= a_document * len(found)
