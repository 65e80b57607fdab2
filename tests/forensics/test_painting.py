"""A painted prompt: every character once, under its strictest document, and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import StoreError
from ragtrace.forensics import kept, paint
from ragtrace.model import Message, Prompt, digest
from ragtrace.store import FlowRow, Store
from ragtrace.wire import ContentRecord, Piece, Rope
from tests.engine import span, store
from tests.forensics.test_reach import row

__all__ = ["store"]  # the fixture

LEVELS = ("public", "internal", "staff_only")
RANK = LEVELS.index


def found(level: str, *spans: tuple[int, int, int], **change: Any) -> FlowRow:
    """A flow of ``level``, found at ``(message, start, end)``."""
    places = tuple((message, start, end, 0, end - start) for message, start, end in spans)
    return row(level=level, spans=places, verdict="certain", **change)


def rope(*messages: str) -> Rope:
    """A prompt that is kept as it stands."""
    prompt = Prompt(tuple(Message("user", text) for text in messages))
    return Rope(prompt.digest, tuple(("user", (Piece(text),)) for text in messages))


texts = st.text(max_size=40)
places = st.tuples(st.integers(0, 3), st.integers(-2, 45), st.integers(-2, 45))


@given(
    st.lists(st.lists(st.tuples(texts, st.booleans()), max_size=4), max_size=3),
    st.lists(st.tuples(st.sampled_from(LEVELS), st.lists(places, max_size=4)), max_size=6),
)
def test_every_character_is_in_one_stretch(
    messages: list[list[tuple[str, bool]]], flows: list[tuple[str, list[tuple[int, int, int]]]]
) -> None:
    """Wherever flows and pieces lie: the stretches spell the prompt, and each says its
    strictest flow.
    """
    texts_by_digest = {digest(text): text for pieces in messages for text, _ in pieces}
    strands = tuple(
        (
            "user",
            tuple(
                Piece(digest=digest(text), end=len(text)) if filed else Piece(text)
                for text, filed in pieces
            ),
        )
        for pieces in messages
    )
    rows = [found(level, *spans, ordinal=n) for n, (level, spans) in enumerate(flows)]
    painted = paint(
        rows, Rope("", strands), texts_by_digest, rank=RANK, readable=lambda level: True
    )
    assert len(painted) == len(messages)
    for place, (message, pieces) in enumerate(zip(painted, messages, strict=True)):
        assert "".join(one.text or "" for one in message.stretches) == "".join(
            text for text, _ in pieces
        )
        at = 0
        for stretch in message.stretches:
            assert stretch.length == len(stretch.text or "") > 0
            for character in range(at, at + stretch.length):
                here = [
                    one
                    for one in rows
                    for where, start, end, *_ in one.spans
                    if where == place and start <= character < end
                ]
                strictest = max((RANK(one.level) for one in here), default=None)
                said = None if stretch.flow is None else RANK(stretch.flow.level)
                assert said == strictest
            at += stretch.length


@given(st.integers(0, 20), st.integers(0, 20))
def test_what_a_reader_may_not_read_has_a_length_and_no_text(start: int, size: int) -> None:
    """A literal of the rope is not shown either where a flow says it is staff text."""
    secret = found("staff_only", (0, start, start + size))
    (message,) = paint(
        [secret], rope("x" * 40), {}, rank=RANK, readable=lambda level: level == "public"
    )
    hidden = [one for one in message.stretches if one.kind == "unreadable"]
    assert [(one.length, one.text) for one in hidden] == ([(size, None)] if size else [])
    assert sum(one.length for one in message.stretches) == 40


def test_a_text_that_is_not_kept_is_unreadable() -> None:
    """And the literal text on both sides of it is shown."""
    strand = ("user", (Piece("before "), Piece(digest="gone", start=3, end=103), Piece(" after")))
    (message,) = paint([], Rope("", (strand,)), {}, rank=RANK, readable=lambda level: True)
    assert [(one.kind, one.length) for one in message.stretches] == [
        ("literal", 7),
        ("unreadable", 100),
        ("literal", 6),
    ]


def test_without_the_prompt_the_flows_give_its_outline() -> None:
    """Nothing can be read, and what came from where can still be seen."""
    flow = found("staff_only", (1, 5, 9))
    first, second = paint([flow], None, {}, rank=RANK, readable=lambda level: True)
    assert first.stretches == ()
    assert [(one.kind, one.length, one.flow) for one in second.stretches] == [
        ("unreadable", 5, None),
        ("unreadable", 4, flow),
    ]


def test_a_redacted_prompt_is_painted_by_its_references() -> None:
    """Its flows were found before the redaction; their places are of another text."""
    text = "p" * 120
    kept_rope = Rope("", (("user", (Piece("short "), Piece(digest=digest(text), end=120))),))
    public = found("public", (0, 50, 170), digest=digest(text), action="allow")
    taken = found("staff_only", (0, 0, 50), action="redact")
    (message,) = paint(
        [public, taken],
        kept_rope,
        {digest(text): text},
        rank=RANK,
        readable=lambda level: True,
    )
    assert [(one.length, one.flow) for one in message.stretches] == [(6, None), (120, public)]
    (shadowed,) = paint(
        [public, replace(taken, mode="shadow")],
        kept_rope,
        {digest(text): text},
        rank=RANK,
        readable=lambda level: True,
    )
    assert [one.length for one in shadowed.stretches] == [50, 76]


def test_among_flows_of_one_level_the_surer_is_shown() -> None:
    """Certain before ambiguous, whichever was found first."""
    unsure = replace(found("public", (0, 0, 4), ordinal=0), verdict="ambiguous")
    sure = found("public", (0, 0, 4), ordinal=1)
    (message,) = paint([unsure, sure], rope("text"), {}, rank=RANK, readable=lambda level: True)
    assert [one.flow for one in message.stretches] == [sure]


def test_no_repr_shows_text() -> None:
    """A stretch and what is kept may end up in a log."""
    (message,) = paint([], rope("sesame"), {}, rank=RANK, readable=lambda level: True)
    assert "sesame" not in repr(message)


class Vault:
    """Texts by digest, or a vault that does not open."""

    def __init__(self, texts: dict[str, str] | None) -> None:
        self._texts = texts

    def texts(self, digests: Any) -> dict[str, str]:
        if self._texts is None:
            raise StoreError("sealed")
        return {name: self._texts[name] for name in digests if name in self._texts}

    def gone(self, digests: Any) -> dict[str, Any]:
        return {}


def test_a_prompt_that_does_not_have_its_digest_is_not_shown() -> None:
    """A changed text is left out and named; a rope of another prompt, no rope at all, a vault that
    does not open.
    """
    text = "w" * 100
    prompt = Prompt((Message("user", text),))
    call = span(1, ragtrace__prompt__digest=prompt.digest)
    woven = Rope(prompt.digest, (("user", (Piece(digest=digest(text), end=100),)),))

    def read(texts: dict[str, str] | None) -> Any:
        return kept(Vault(texts), call)  # type: ignore[arg-type]

    whole = {prompt.digest: woven.to_json(), digest(text): text}
    assert read(whole).proved
    partly = read({prompt.digest: woven.to_json()})
    assert (partly.rope, partly.proved) == (woven, False)
    changed = read(whole | {digest(text): "v" * 100})
    assert (changed.rope, changed.texts, changed.proved) == (woven, {}, False)
    missing, answer = changed.missing
    assert answer.what == "completion"
    assert missing.digest == digest(text) and "has the digest" in missing.why
    for broken in (
        {prompt.digest: rope("other").to_json()},
        {prompt.digest: "not a rope"},
        {},
        None,
    ):
        assert (read(broken).rope, read(broken).proved) == (None, False)


@pytest.mark.parametrize("levels", [frozenset({"public"}), None])
def test_what_is_kept_is_read_as_the_reader(store: Store, levels: frozenset[str] | None) -> None:
    """A reader who is not cleared for the prompt's level gets neither it nor its answer."""
    from ragtrace.store import Access

    prompt = Prompt((Message("user", "how much?"),))
    call = span(1, ragtrace__prompt__digest=prompt.digest, ragtrace__completion__digest=digest("9"))
    store.write(
        [call],
        [
            ContentRecord(prompt.digest, "prompt", "staff_only", rope("how much?").to_json()),
            ContentRecord(digest("9"), "completion", "staff_only", "9"),
        ],
    )
    reader = store.seen_by(Access("r", frozenset({"read"}), levels, None))
    found_texts = kept(reader, call)  # type: ignore[arg-type]
    assert (found_texts.rope is None, found_texts.completion) == (
        (True, None) if levels else (False, "9")
    )
