"""Entries: what is told comes back as it was, and other bytes are no entry."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.capture._derived import Derived
from ragtrace.capture._entry import (
    LARGEST_ENTRY,
    EntryError,
    Told,
    decode_entry,
    encode_entry,
)
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._seal import Seal, SealError
from ragtrace.model import Chunk, Document, Label, LabelledRange, Origin, Source, digest
from tests.prose import chunk

TEXT = st.text(st.characters(codec=None), max_size=30)  # lone surrogates too
NAMES = st.frozensets(TEXT, max_size=3)
LABELS = st.builds(Label, TEXT, NAMES, st.none() | NAMES, st.sampled_from(["trusted", "untrusted"]))
ORIGINS = st.builds(Origin, TEXT, TEXT, TEXT, LABELS, st.sampled_from(["certain", "text", "taint"]))
RANGES = st.builds(
    lambda at, size, label: LabelledRange(at, at + size, label), *[st.integers(0, 99)] * 2, LABELS
)
PEOPLE = st.none() | st.tuples(st.none() | TEXT, NAMES)
RECIPIENTS = st.builds(Recipient, TEXT, TEXT, NAMES, st.booleans(), PEOPLE)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    """Any chunk, named by its text."""
    text = draw(TEXT)
    return Chunk(
        draw(TEXT),
        Document(draw(TEXT), draw(st.none() | TEXT)),
        Source(draw(TEXT)),
        text,
        digest(text),
        draw(LABELS),
        draw(TEXT),
        tuple(draw(st.lists(RANGES, max_size=3))),
        origins=tuple(draw(st.lists(ORIGINS, max_size=3))),
        released=draw(TEXT),
    )


DERIVED = st.builds(
    Derived, chunks(), st.frozensets(RECIPIENTS, max_size=3), st.frozensets(RECIPIENTS, max_size=3)
)
ENTRIES = chunks() | DERIVED | st.builds(Told, TEXT.map(digest), RECIPIENTS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["chunk", "told", "derived"]),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Chunk | Derived | Told) -> None:
    """Text, label, ranges, origins and recipients, in whatever script."""
    assert decode_entry(encode_entry(entry)) == entry


@given(ENTRIES)
def test_the_same_entry_gives_the_same_bytes(entry: Chunk | Derived | Told) -> None:
    """By them it is known to have been told before."""
    assert encode_entry(decode_entry(encode_entry(entry))) == encode_entry(entry)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_other_bytes_are_no_entry(data: bytes) -> None:
    """Whatever they are, nothing but the codec's own error is raised."""
    try:
        decode_entry(data)
    except EntryError:
        pass


@given(ENTRIES, st.data())
def test_a_changed_entry_is_one_or_is_none(
    entry: Chunk | Derived | Told, data: st.DataObject
) -> None:
    """Some value of it becomes another: it is read strictly, or not at all."""
    value = json.loads(encode_entry(entry).decode("utf-8", "surrogatepass"))
    place = value
    while isinstance(place, list) and place:
        number = data.draw(st.integers(0, len(place) - 1))
        if not isinstance(place[number], list) or not place[number]:
            place[number] = data.draw(JSON)
            break
        place = place[number]
    try:
        read = decode_entry(json.dumps(value).encode())
    except EntryError:
        return
    assert decode_entry(encode_entry(read)) == read


@pytest.mark.parametrize("data", [b"[" * 100_000, b"9" * 5000, b'["told","' + b"A" * 64 + b'",[]]'])
def test_deep_and_long_values_are_no_entry(data: bytes) -> None:
    """They are refused, and do not exhaust anything."""
    with pytest.raises(EntryError):
        decode_entry(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 7),
        (4, None),
        (5, ["public", [], None]),
        (5, ["public", [], None, 1]),
        (5, ["public", [7], None, True]),
        (5, ["public", [], "ann", True]),
        (7, [[3, 2, ["public", [], None, True]]]),
        (7, [[-1, 2, ["public", [], None, True]]]),
        (7, [[False, True, ["public", [], None, True]]]),
        (8, [["d", "s", "0", ["public", [], None, True], "hearsay"]]),
        (9, 0),
    ],
)
def test_a_chunk_with_a_wrong_part_is_none(place: int, value: object) -> None:
    """Each part has its type; a range goes forwards from a place in the text."""
    kind, parts = json.loads(encode_entry(chunk("text", "public")))
    parts[place] = value
    with pytest.raises(EntryError, match="not an entry"):
        decode_entry(json.dumps([kind, parts]).encode())


def test_an_entry_has_a_largest_size() -> None:
    """Both ways."""
    with pytest.raises(EntryError, match="too large"):
        encode_entry(chunk("x" * LARGEST_ENTRY))
    with pytest.raises(EntryError, match="too large"):
        decode_entry(b"x" * (LARGEST_ENTRY + 1))


@given(st.binary(max_size=200), st.integers(1, 2**40), st.data())
def test_a_seal_opens_what_was_sealed_and_nothing_else(
    plain: bytes, number: int, data: st.DataObject
) -> None:
    """Not one bit of it, of its number or of its origin may change."""
    one = Seal(bytes(32), b"here")
    other = one.renewed()
    sealed = one.seal(number, plain)
    assert other.open(one.origin, number, sealed) == plain
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    wrong = [
        (other, one.origin, number, bytes(changed)),
        (other, other.origin, number, sealed),
        (other, one.origin, number + 1, sealed),
        (other, b"", number, sealed),
        (other, one.origin, -1, sealed),
        (other, one.origin, 2**200, sealed),
        (Seal(os.urandom(32), b"here"), one.origin, number, sealed),
        (Seal(bytes(32), b"there"), one.origin, number, sealed),
    ]
    for seal, origin, place, text in wrong:
        with pytest.raises(SealError):
            seal.open(origin, place, text)
