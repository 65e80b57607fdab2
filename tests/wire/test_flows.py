"""What a span tells of its flows is what the judge was given, but for the texts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import WireError
from ragtrace.model import (
    Action,
    Attribution,
    Chunk,
    Decision,
    Document,
    Flow,
    Label,
    LabelledRange,
    Origin,
    Source,
    Span,
)
from ragtrace.wire import (
    decode_decision,
    decode_flows,
    decode_plain,
    encode_decision,
    encode_flows,
    encode_plain,
    names,
)

WORDS = st.text(st.characters(codec="utf-8"), max_size=6)
PLACES = st.integers(0, 2**32 - 1)
LABELS = st.builds(
    Label,
    WORDS,
    st.frozensets(WORDS, max_size=2),
    st.none() | st.frozensets(WORDS, max_size=2),
    st.sampled_from(["trusted", "untrusted"]),
)
ORIGINS = st.builds(
    Origin, WORDS, WORDS, WORDS, LABELS, st.sampled_from(["certain", "text", "taint"])
)
RANGES = st.lists(st.builds(LabelledRange, PLACES, PLACES, LABELS), max_size=2).map(tuple)
SPANS = st.builds(
    Span, PLACES, PLACES, PLACES, PLACES, PLACES, PLACES, st.booleans(), st.integers(0, 99)
)
FOUND = st.builds(
    Attribution,
    WORDS,
    st.sampled_from(["certain", "ambiguous", "explained", "none"]),
    st.lists(SPANS, max_size=3).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
    st.booleans(),
)
CHUNKS = st.builds(
    Chunk,
    id=WORDS,
    document=st.builds(Document, WORDS, st.none() | WORDS.filter(bool)),
    source=st.builds(Source, WORDS),
    text=st.just(""),
    digest=WORDS,
    label=LABELS,
    basis=WORDS,
    ranges=RANGES,
    rank=PLACES,
    score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    origins=st.lists(ORIGINS, max_size=2).map(tuple),
    copied=st.lists(st.tuples(PLACES, PLACES), max_size=2).map(tuple),
    released=WORDS,
)
ACTIONS = st.sampled_from(list(Action))
MODES = st.sampled_from(["enforce", "shadow"])
SHADOWS = st.builds(Decision, ACTIONS, WORDS, st.just(""), st.just("P"))
DECISIONS = st.builds(Decision, ACTIONS, WORDS, WORDS, st.just("P"), MODES, st.none() | SHADOWS)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    chunk, label = draw(CHUNKS), draw(LABELS)
    if not chunk.ranges:  # the label of all of it is the chunk's own
        chunk = replace(chunk, label=label)
    found = draw(st.none() | FOUND)
    if found is not None:
        found = replace(found, chunk=chunk.digest)
    roles = draw(st.lists(WORDS, max_size=2)) if found is not None else []
    return Flow("prompt", chunk, label, draw(DECISIONS), found, tuple(roles))


@given(st.lists(flows(), max_size=4), st.none() | st.integers(64, 2000))
def test_what_is_written_is_read(some: list[Flow], longest: int | None) -> None:
    """Chunk, label, attribution with the length of each run, decision and roles, in order."""
    said = {name: str(value) for name, value in encode_flows(some, longest).items()}
    read = decode_flows({**said, names.POLICY: "P"})
    assert [one.ordinal for one in read] == list(range(len(some)))
    for flow, one in zip(some, read, strict=True):
        assert one.chunk == flow.chunk and one.label == flow.label and one.measured
        assert one.attribution == flow.attribution and one.roles == flow.roles
        assert one.decision == flow.decision
    plain = encode_plain(list(enumerate(some)))
    for flow, one in zip(some, decode_plain({k: str(v) for k, v in plain.items()}), strict=True):
        assert (one.chunk.digest, one.attribution) == (flow.chunk.digest, flow.attribution)


@given(DECISIONS)
def test_a_step_says_what_was_decided(decision: Decision) -> None:
    """But for what a rule in shadow says, which stands on its flows."""
    said = {name: str(value) for name, value in encode_decision(decision).items()}
    assert decode_decision(said) == replace(decision, shadow=None)
    assert decode_decision({}) is None


BROKEN: list[Any] = [
    "",
    "{",
    "{}",
    "[1]",
    "[{}]",
    '[{"ord": -1}]',
    "[" * 100_000,
]


@pytest.mark.parametrize("part", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_flow_is_refused(part: str) -> None:
    """A span is from outside: nothing is guessed of one that is not as we write it."""
    with pytest.raises(WireError):
        decode_flows({names.FLOWS: part})


@given(st.data())
def test_any_change_of_a_flow_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands under a key, the reader gives flows or says what is wrong."""
    (flow,) = decode_json(encode_flows([data.draw(flows())]))
    name = data.draw(st.sampled_from(sorted(flow)))
    flow[name] = data.draw(
        st.none() | st.integers() | WORDS | st.lists(st.integers(), max_size=2) | st.just({"a": 1})
    )
    try:
        decode_flows({names.FLOWS: json.dumps([flow])})
    except WireError as error:
        assert names.FLOWS in str(error) or "decision" in str(error)


def decode_json(attributes: Any) -> list[Any]:
    """The objects as they stand there."""
    listed: list[Any] = json.loads(str(attributes[names.FLOWS]))
    return listed
