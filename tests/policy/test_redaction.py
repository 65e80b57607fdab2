"""What redaction promises: what is restricted goes, what surrounds it stays."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtrace.attribution import Index, skeleton
from ragtrace.model import Attribution, Chunk, Message, Span
from ragtrace.policy import (
    REDACTED,
    Policy,
    parse_policy,
    protected,
    redact_chunk,
    redact_messages,
    restricted,
)
from tests.prose import chunk, prose

POLICY = parse_policy(
    b"{version: 1, levels: [public, secret], audiences: {customer: {clearance: public}}}"
)
CUSTOMER = POLICY.audience("customer")
FEW = settings(max_examples=60)


def mixed(*parts: tuple[str, str]) -> Chunk:
    """A public chunk of (text, level) parts; the secret ones are labelled ranges."""
    text, ranges = "", []
    for part, level in parts:
        if level == "secret":
            ranges.append((len(text), len(text) + len(part), level))
        text += part
    return chunk(text, "public", tuple(ranges))


def redact(policy: Policy, messages: list[Message], *chunks: Chunk) -> tuple[Message, ...]:
    """Messages with all restricted ranges of ``chunks`` taken out."""
    index = Index()
    for one in chunks:
        index.add(one)
    by_name = {one.digest: one for one in chunks}
    found = index.attribute(messages)
    return redact_messages(
        messages, [(one, restricted(policy, by_name[one.chunk], CUSTOMER)) for one in found]
    )


PARTS = st.lists(
    st.tuples(
        st.integers(0, 10**6).map(lambda seed: prose(seed, 25) + "\n"),
        st.sampled_from(["public", "secret"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda part: part[0],
)


@given(PARTS)
@FEW
def test_a_chunk_loses_its_secret_parts_and_nothing_else(parts: list[tuple[str, str]]) -> None:
    """No secret run of symbols is left, and every public part is, in order."""
    one = mixed(*parts)
    if all(level == "public" for _, level in parts):
        return
    out = redact_chunk(POLICY, one, CUSTOMER)
    left = [part for part, level in parts if level == "public"]
    assert "".join(left) == out.replace(REDACTED, "")
    for part, level in parts:
        if level == "secret":
            assert skeleton(part).symbols not in skeleton(out).symbols
    assert protected(POLICY, one, CUSTOMER) == [
        one.text[start:end] for start, end in restricted(POLICY, one, CUSTOMER)
    ]


@given(PARTS, st.sampled_from(["verbatim", "wrapped", "bulleted"]), st.integers(0, 10**6))
@FEW
def test_a_prompt_loses_them_however_it_is_laid_out(
    parts: list[tuple[str, str]], layout: str, seed: int
) -> None:
    """No run of a secret part is left; messages stay in number and role; others are untouched."""
    one = mixed(*parts)
    if all(level == "public" for _, level in parts):
        return
    said = {
        "verbatim": one.text,
        "wrapped": textwrap.fill(one.text, 30),
        "bulleted": "\n".join(f"-  {word}" for word in one.text.split()),
    }[layout]
    before = [
        Message("system", prose(seed + 10**8, 9)),
        Message("user", f"{said}\n?"),
        Message("ai", "ok"),
    ]
    after = redact(POLICY, before, one)
    assert [m.role for m in after] == ["system", "user", "ai"]
    assert (after[0], after[2]) == (before[0], before[2])
    left = skeleton(after[1].text.replace(REDACTED, "\n")).symbols
    for part, level in parts:
        symbols = skeleton(part).symbols
        if level == "secret":
            assert not any(symbols[k : k + 32] in left for k in range(len(symbols) - 31))
        elif layout == "verbatim":
            assert symbols in left


def test_a_copy_of_the_same_length_need_not_be_verbatim() -> None:
    """Spaces moved from behind a secret to before it do not shift the cut off it."""
    before, secret, after = prose(1, 20) + " ", prose(2, 20), " " + prose(3, 40)
    one = mixed((before, "public"), (secret, "secret"), (after, "public"))
    moved = before.count(" ")
    text = before.replace(" ", "  ") + secret + after.replace(" ", "", moved)
    assert len(text) == len(one.text)
    (out,) = redact(POLICY, [Message("user", text)], one)
    left = skeleton(out.text.replace(REDACTED, "\n")).symbols
    symbols = skeleton(secret).symbols
    assert not any(symbols[k : k + 12] in left for k in range(len(symbols) - 11))


def test_every_copy_goes() -> None:
    """Said three times, also as a short chunk, it goes three times."""
    short = chunk("4711 88 AB", "secret")
    long = chunk(prose(1), "secret")
    text = f"{long.text} 4711-88-AB {long.text} and 471188ab, {long.text} 4711 88 ab"
    (out,) = redact(POLICY, [Message("user", text)], short, long)
    assert out.text.count(REDACTED) == 6
    assert skeleton(out.text).symbols.replace("redacted", "") == "and"


def test_a_secret_that_repeats_itself_goes() -> None:
    """A section of one sentence many times over is taken out like any other."""
    line = "Never tell a customer that the fee can be waived. "
    one = mixed(
        (prose(1, 40) + "\n", "public"), (line * 60, "secret"), ("\n" + prose(2, 40), "public")
    )
    (out,) = redact(POLICY, [Message("user", f"Context: {one.text}")], one)
    assert skeleton(line).symbols not in skeleton(out.text).symbols
    assert redact_chunk(POLICY, one, CUSTOMER).count(REDACTED) == 1


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((("All of it.", "public"),), [(0, 10)]),
        ((("Some.", "public"), ("Secret.", "secret")), [(5, 12)]),
        ((("Secret.", "secret"), ("Some.", "public"), ("More.", "secret")), [(0, 7), (12, 17)]),
    ],
)
def test_what_is_restricted(
    parts: tuple[tuple[str, str], ...], expected: list[tuple[int, int]]
) -> None:
    """The parts above the clearance; all of it where a rule was about the chunk as such."""
    assert restricted(POLICY, mixed(*parts), CUSTOMER) == expected


def test_a_chunk_above_the_clearance_goes_whole() -> None:
    """Where the chunk itself is above the clearance its ranges do not matter."""
    one = chunk("Secret through and through", "secret", ((0, 6, "public"),))
    assert restricted(POLICY, one, CUSTOMER) == [(0, len(one.text))]
    assert redact_chunk(POLICY, one, CUSTOMER) == REDACTED


def test_overlapping_findings_leave_one_mark() -> None:
    """Where several findings take out the same text, one mark stands for it."""
    spans = tuple(Span(0, start, start + 60, 0, 60, 60, True) for start in (10, 30))
    found = Attribution("x", "certain", spans)
    (out,) = redact_messages([Message("user", "a" * 200)], [(found, [(0, 60)])])
    assert out.text == "a" * 10 + REDACTED + "a" * 110
