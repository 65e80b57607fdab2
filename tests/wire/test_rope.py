"""What ropes promise: the prompt byte for byte, or a refusal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import Index
from ragtrace.errors import WireError
from ragtrace.model import Attribution, Message, Prompt, Span, digest
from ragtrace.wire import Piece, Rope, unweave, weave
from tests.laws import examples
from tests.prose import chunk, prose

FEW = settings(max_examples=examples(150))
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user"]), st.text(max_size=40)), max_size=4
)
SPANS = st.lists(st.tuples(*[st.integers(-5, 400)] * 5), max_size=6)


def attributed(seeds: list[int]) -> tuple[Prompt, list[Attribution], dict[str, str]]:
    """A prompt over chunks of prose, with what is found in it and their texts."""
    chunks = [chunk(prose(seed)) for seed in dict.fromkeys(seeds)]
    texts = {one.digest: one.text for one in chunks}
    index = Index()
    for one in chunks:
        index.add(one)
    said = "\n\n".join(texts.values())
    prompt = Prompt((Message("system", "Be kind."), Message("user", f"From:\n{said}\nWhy?")))
    return prompt, index.attribute(prompt.messages), texts


@given(st.lists(st.integers(0, 99), max_size=4))
@FEW
def test_a_prompt_comes_back(seeds: list[int]) -> None:
    """Woven of what the matcher found, sent as text and put together again, it is the same."""
    prompt, found, texts = attributed(seeds)
    rope = weave(prompt, found, texts)
    assert rope.references == set(texts)
    assert unweave(Rope.from_json(rope.to_json()), texts) == prompt
    assert not any(text in rope.to_json() for text in texts.values())


@given(MESSAGES, SPANS, st.text(max_size=300))
@FEW
def test_whatever_the_spans_the_prompt_comes_back(
    messages: list[Message], numbers: list[tuple[int, ...]], text: str
) -> None:
    """Spans that overlap, are out of range or are not verbatim cost nothing but space."""
    source = text * 3
    messages = [*messages, Message("user", f"{source}!"), Message("user", source[7:] + source[:7])]
    spans = tuple(Span(m % 5, a, b, c, d, 0) for m, a, b, c, d in numbers)
    found = [Attribution(digest(source), "certain", spans), Attribution("gone", "certain", spans)]
    prompt = Prompt(tuple(messages))
    rope = weave(prompt, found, {digest(source): source})
    assert unweave(Rope.from_json(rope.to_json()), {digest(source): source}) == prompt


@given(st.lists(st.integers(0, 99), min_size=1, max_size=3), st.data())
@FEW
def test_what_was_tampered_with_is_refused(seeds: list[int], data: st.DataObject) -> None:
    """A text, a role, a place or a digest that was changed is found out."""
    prompt, found, texts = attributed(seeds)
    rope = weave(prompt, found, texts)
    name = data.draw(st.sampled_from(sorted(texts)))
    place = data.draw(st.integers(0, len(texts[name]) - 1))
    changed = texts[name][:place] + "\0" + texts[name][place + 1 :]
    with pytest.raises(WireError, match="the prompt put together has digest"):
        unweave(rope, texts | {name: changed})
    with pytest.raises(WireError, match="1 of the texts of this prompt are missing"):
        unweave(rope, {key: text for key, text in texts.items() if key != name})
    (role, pieces), *others = rope.strands
    for tampered in (
        replace(rope, digest=digest("other")),
        replace(rope, strands=(("user", pieces), *others)),
        replace(rope, strands=((role, (*pieces, Piece("!"))), *others)),
        replace(rope, strands=rope.strands[1:]),
        replace(rope, strands=(*others, (role, pieces))),
    ):
        with pytest.raises(WireError, match="the prompt put together has digest"):
            unweave(tampered, texts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.sampled_from(["digest", "strands", "x"]), some, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.text(max_size=40)
    | JSON.map(json.dumps)
    | JSON.map(lambda some: json.dumps({"digest": "d", "strands": some}))
    | JSON.map(lambda some: json.dumps({"digest": "d", "strands": [["user", [some]]]}))
    | JSON.map(lambda some: json.dumps({"digest": "d", "strands": [["user", [["d", some, 1]]]]}))
)
@settings(max_examples=examples(500))
def test_any_text_is_a_rope_or_refused(text: str) -> None:
    """Reading raises WireError and nothing else, and what is read is written the same."""
    try:
        rope = Rope.from_json(text)
    except WireError:
        return
    assert Rope.from_json(rope.to_json()) == rope
    assert all(isinstance(role, str) for role, _ in rope.strands)
    with pytest.raises(WireError):
        unweave(rope, dict.fromkeys(rope.references, ""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "null",
        '{"digest": null, "strands": []}',
        '{"digest": "d"}',
        '{"digest": "d", "strands": "ab"}',
        '{"digest": "d", "strands": ["ab"]}',
        '{"digest": "d", "strands": [[null, []]]}',
        '{"digest": "d", "strands": [["user", "ab"]]}',
        '{"digest": "d", "strands": [["user", ["a"], 1]]}',
        '{"digest": "d", "strands": [["user", [["d", 0]]]]}',
        '{"digest": "d", "strands": [["user", [["d", 0, Infinity]]]]}',
        '{"digest": "d", "strands": [["user", [["d", -5, 9]]]]}',
        '{"digest": "d", "strands": [["user", [["d", 0, "9"]]]]}',
        '{"digest": "d", "strands": [["user", [["d", 0, true]]]]}',
        '{"digest": "d", "strands": [["user", [[7, 0, 1]]]]}',
    ],
)
def test_what_is_no_rope_is_refused(text: str) -> None:
    """Each way of being nearly a rope is told apart from being one."""
    with pytest.raises(WireError, match=r"^not a rope: "):
        Rope.from_json(text)


def test_a_refusal_names_no_text() -> None:
    """The message of a refusal holds digests, never content."""
    prompt, found, texts = attributed([1])
    with pytest.raises(WireError) as caught:
        unweave(weave(prompt, found, texts), dict.fromkeys(texts, "a secret text"))
    assert "secret" not in str(caught.value)
