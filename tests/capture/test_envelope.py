"""Envelopes: what was sealed comes back, within its bounds; anything else is no envelope."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.capture._envelope import (
    LIFETIME,
    LONGEST,
    MOST_ORIGINS,
    SKEW,
    Envelope,
    EnvelopeError,
    EnvelopeKey,
)
from ragtrace.labels import Lattice
from ragtrace.model import Audience, Label, Origin, digest

KEY = EnvelopeKey(bytes(range(32)))
NOW = 1_800_000_000
TEXT = st.text(st.characters(codec=None), max_size=300)
NAMES = st.frozensets(TEXT, max_size=20)
LABELS = st.builds(Label, TEXT, NAMES, st.none() | NAMES, st.sampled_from(["trusted", "untrusted"]))
ORIGINS = st.builds(Origin, TEXT, TEXT, TEXT.map(digest), st.builds(Label, TEXT))
ENVELOPES = st.builds(
    Envelope,
    LABELS,
    st.lists(ORIGINS, max_size=12).map(tuple),
    TEXT,
    st.just("0" * 32),
    st.just(NOW),
)


@given(ENVELOPES)
def test_an_envelope_comes_back_as_it_was_or_stricter(envelope: Envelope) -> None:
    """The label as it is, or one that nobody is let in by; origins in order, as many as fit."""
    value = KEY.seal(envelope)
    assert len(value) <= LONGEST
    assert re.fullmatch(r"[A-Za-z0-9._-]+", value)  # what a header takes as it is
    read = KEY.open(value, NOW)
    if read.label != envelope.label:
        assert read.label.readers == frozenset()
        assert read.label.level in (envelope.label.level, digest_or_none(envelope.label.level))
        everybody = Audience("a", "top", envelope.label.compartments, "p", frozenset({"g"}))
        assert not Lattice((envelope.label.level, "top")).permits(everybody, read.label)
    waiting = iter(envelope.origins[:MOST_ORIGINS])
    assert all(any(one == other for other in waiting) for one in read.origins)
    assert (read.request, read.issued) == (envelope.request, NOW)


def digest_or_none(level: str) -> str:
    try:
        return digest(level)
    except UnicodeError:
        return ""


def test_what_is_usual_fits_whole() -> None:
    """Eight documents of usual names, compartments, readers and an audience."""
    label = Label("staff_only", frozenset({"pii", "tenant:acme"}), frozenset({"ann", "bob"}))
    origins = tuple(
        Origin(f"handbook/chapter-{n}", "chroma/notes", digest(str(n)), Label("staff_only"))
        for n in range(MOST_ORIGINS)
    )
    envelope = Envelope(label, origins, "customer", "f" * 32, NOW)
    assert KEY.open(KEY.seal(envelope), NOW) == envelope


def test_a_label_that_does_not_fit_lets_nobody_in() -> None:
    """Neither the readers it names nor anybody else; level and the document stay."""
    readers = frozenset(f"employee-{number}@bank.example" for number in range(200))
    label = Label("staff_only", frozenset({"hr"}), readers)
    origin = Origin("note-11", "kb/notes", digest("x"), Label("staff_only"))
    read = KEY.open(KEY.seal(Envelope(label, (origin,), "customer", "r", NOW)), NOW)
    assert read == Envelope(
        Label("staff_only", readers=frozenset()), (origin,), "customer", "r", NOW
    )
    longest = Label("x" * 3000, frozenset({"hr"}))
    assert KEY.open(KEY.seal(Envelope(longest, (), "a" * 3000, "r", NOW)), NOW).label == Label(
        digest("x" * 3000), readers=frozenset()
    )


@given(ENVELOPES, st.data())
def test_a_changed_envelope_is_none(envelope: Envelope, data: st.DataObject) -> None:
    """Whatever character of it is another, is missing, or is put in."""
    value = KEY.seal(envelope)
    at = data.draw(st.integers(0, len(value) - 1))
    instead = data.draw(st.text(max_size=2).filter(lambda text: text != value[at]))
    with pytest.raises(EnvelopeError):
        KEY.open(value[:at] + instead + value[at + 1 :], NOW)


@given(st.text() | st.text("0123456789abcdefABCDEF._-", max_size=3000))
def test_other_text_is_no_envelope(text: str) -> None:
    """Whatever it is, nothing but the one error is raised."""
    with pytest.raises(EnvelopeError):
        KEY.open(text, NOW)


def test_an_envelope_has_its_time() -> None:
    """It is good from when it was issued to the end of its life, give or take two clocks."""
    value = KEY.seal(Envelope(Label("staff_only"), (), "", "r", NOW))
    for good in (NOW - SKEW, NOW, NOW + LIFETIME + SKEW):
        assert KEY.open(value, good).label.level == "staff_only"
    with pytest.raises(EnvelopeError, match="from the future"):
        KEY.open(value, NOW - SKEW - 1)
    with pytest.raises(EnvelopeError, match="expired"):
        KEY.open(value, NOW + LIFETIME + SKEW + 1)


def test_another_key_opens_nothing() -> None:
    """Nor does one that signs under the same name."""
    value = KEY.seal(Envelope(Label("public"), (), "", "r", NOW))
    with pytest.raises(EnvelopeError, match="another key"):
        EnvelopeKey(os.urandom(32)).open(value, NOW)
    stranger = EnvelopeKey(os.urandom(32))
    stranger._id = KEY._id
    with pytest.raises(EnvelopeError, match="forged"):
        KEY.open(stranger.seal(Envelope(Label("public"), (), "", "r", NOW)), NOW)


def test_another_version_is_none() -> None:
    """It may mean something else."""
    value = KEY.seal(Envelope(Label("public"), (), "", "r", NOW))
    with pytest.raises(EnvelopeError, match="version"):
        KEY.open(f"2{value[1:]}", NOW)
