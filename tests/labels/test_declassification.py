"""What is promised about texts that somebody has released."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import PolicyFileError
from ragtrace.labels import (
    DECLASSIFIED_AT_MOST,
    MAX_DECLASSIFIED_LINE,
    Declassification,
    Declassifications,
    Lattice,
    Revocation,
    Transformation,
    _declassifications,
)
from ragtrace.model import Chunk, Document, Label, LabelledRange, Source, digest

LATTICE = Lattice(("public", "internal", "secret"))
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TEXT = "Waive the fee once."

names = st.frozensets(st.sampled_from(["hr", "legal", "pii"]))
labels = st.builds(
    Label,
    st.sampled_from([*LATTICE.levels, "elsewhere"]),
    names,
    st.none() | st.frozensets(st.sampled_from(["ann", "bob"])),
    st.sampled_from(["trusted", "untrusted"]),
)
chunks = st.builds(
    lambda label, part: Chunk(
        "c",
        Document("d"),
        Source("s"),
        TEXT,
        digest(TEXT),
        label,
        "metadata:label",
        (LabelledRange(0, 5, part),),
    ),
    labels,
    labels,
)
records = st.builds(
    lambda level, compartments, days, lasts, who: Declassification(
        digest(TEXT),
        level,
        compartments,
        who,
        "it is on the website",
        NOW + days * DAY,
        NOW + (days + lasts) * DAY,
    ),
    st.sampled_from([*LATTICE.levels, "gone"]),
    names,
    st.integers(-9, 2),
    st.integers(1, 9),
    st.sampled_from(["ann", "bob", "\ud800 a\nname"]),
)


def record(level: str = "public", *kept: str, days: int = -1, lasts: int = 9) -> Declassification:
    """A release of TEXT to ``level``, from ``days`` after NOW on."""
    at = NOW + days * DAY
    return Declassification(
        digest(TEXT), level, frozenset(kept), "ann", "why", at, at + lasts * DAY
    )


def chunk(level: str, *compartments: str) -> Chunk:
    """A chunk with TEXT."""
    label = Label(level, frozenset(compartments))
    return Chunk("c", Document("d"), Source("s"), TEXT, digest(TEXT), label, "metadata:label")


def chained(entries: Sequence[Declassification | Revocation]) -> list[bytes]:
    """The lines of a file with these entries, one after the other."""
    lines: list[bytes] = []
    head = "0" * 64
    for entry in entries:
        lines.append(replace(entry, previous=head).line())
        head = digest(lines[-1].decode())
    return lines


def parsed(lines: Sequence[bytes]) -> Declassifications:
    return Declassifications.parse(lines, "declassified.jsonl")


def refused(lines: Sequence[bytes]) -> str:
    """What is said of a file that cannot be used."""
    with pytest.raises(PolicyFileError) as error:
        parsed(lines)
    return str(error.value)


@given(chunks, st.lists(records))
def test_nothing_is_ever_stricter(given: Chunk, known: list[Declassification]) -> None:
    """Neither the whole nor a part; what was untrusted stays so, and the text is the same."""
    after = Declassifications(tuple(known)).apply(LATTICE, given, NOW)
    assert LATTICE.dominates(given.label, after.label)
    assert LATTICE.dominates(given.ranges[0].label, after.ranges[0].label)
    assert after.label.integrity == given.label.integrity
    assert after.text == given.text and after.origins == given.origins


@given(chunks, st.lists(records))
def test_what_is_left_is_what_one_record_in_force_says(
    given: Chunk, known: list[Declassification]
) -> None:
    """Never less than the least that somebody has decided, of two decisions taken together."""
    after = Declassifications(tuple(known)).apply(LATTICE, given, NOW)
    if after is given:
        return
    one = next(one for one in known if after.released == f"declassified:{one.id}")
    assert one.at <= NOW < one.expires and one.level in LATTICE.levels
    for before, then in (
        (given.label, after.label),
        (given.ranges[0].label, after.ranges[0].label),
    ):
        assert then.level in (one.level, before.level)
        assert then.compartments == before.compartments & one.compartments
    assert after.basis == "metadata:label+declassified"


@given(chunks, st.lists(records))
def test_what_has_expired_or_is_not_yet_changes_nothing(
    given: Chunk, known: list[Declassification]
) -> None:
    """A record holds from its time on, and at its end no more."""
    over = [one for one in known if not one.at <= NOW < one.expires]
    assert Declassifications(tuple(over)).apply(LATTICE, given, NOW) is given


@given(chunks, st.lists(records), st.randoms())
def test_the_order_of_records_does_not_matter(
    given: Chunk, known: list[Declassification], dice: object
) -> None:
    """Whoever was first: the same label, by the same record."""
    other = list(known)
    dice.shuffle(other)  # type: ignore[attr-defined]  # random.Random, which st.randoms() gives
    assert Declassifications(tuple(known)).apply(LATTICE, given, NOW) == Declassifications(
        tuple(other)
    ).apply(LATTICE, given, NOW)


@given(chunks, st.lists(records))
def test_to_apply_it_twice_is_to_apply_it_once(given: Chunk, known: list[Declassification]) -> None:
    """A chunk that was released is not released again."""
    all_of_them = Declassifications(tuple(known))
    once = all_of_them.apply(LATTICE, given, NOW)
    assert all_of_them.apply(LATTICE, once, NOW) is once


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_any_single_edit_is_noticed(known: list[Declassification], data: st.DataObject) -> None:
    """A byte changed, put in or taken out anywhere, the last line's end too."""
    whole = b"".join(chained(known))
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda b: b[0] != whole[place]))
    edits = {
        whole[:place] + byte + whole[place + 1 :],
        whole[:place] + whole[place + 1 :],
        whole[:place] + byte + whole[place:],
    }
    for edited in edits:
        if edited == whole:
            continue
        with pytest.raises(PolicyFileError, match=r"^declassified\.jsonl:\d+: "):
            parsed(edited.splitlines(keepends=True))


@given(st.lists(records, min_size=2, max_size=6, unique=True), st.data())
def test_a_line_taken_out_put_in_or_moved_is_noticed(
    known: list[Declassification], data: st.DataObject
) -> None:
    """With the line from which on the file is not what was written."""
    lines = chained(known)
    place = data.draw(st.integers(0, len(lines) - 2))
    without = lines[:place] + lines[place + 1 :]
    twice = [*lines[: place + 1], *lines[place:]]
    moved = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
    assert f":{place + 1}: previous" in refused(without)
    assert f":{place + 2}: previous" in refused(twice)
    assert f":{place + 1}: previous" in refused(moved)
    for edited in (without, twice, moved):
        assert re.match(r"declassified\.jsonl:\d+: previous: expected the SHA-256", refused(edited))


@given(st.lists(records, max_size=6))
def test_what_is_written_is_read(known: list[Declassification]) -> None:
    """Line by line, in order; names may hold anything."""
    lines = chained(known)
    read = parsed(lines)
    assert [one.line() for one in read.records] == lines
    assert read.head == (digest(lines[-1].decode()) if lines else "0" * 64)


def test_lines_missing_at_the_end_leave_another_head() -> None:
    """The file alone cannot tell; who has kept the head can."""
    lines = chained([record(), record("internal")])
    assert parsed(lines[:1]).head != parsed(lines).head


def test_another_text_is_not_released() -> None:
    """Not even by a space."""
    other = replace(chunk("secret"), digest=digest(TEXT + " "))
    assert Declassifications((record(),)).apply(LATTICE, other, NOW) is other


def test_two_decisions_are_not_taken_together() -> None:
    """Public within hr, and internal for all, do not make it public for all."""
    both = Declassifications((record("public", "hr"), record("internal")))
    assert both.apply(LATTICE, chunk("secret", "hr"), NOW).label == Label(
        "public", frozenset({"hr"})
    )


def test_a_record_that_says_no_less_does_nothing() -> None:
    """Neither basis nor why it is released say that it did."""
    given = chunk("internal", "hr")
    assert Declassifications((record("secret", "hr"),)).apply(LATTICE, given, NOW) is given


def test_a_revoked_record_does_nothing() -> None:
    """The other one of the same text still does."""
    one, two = (replace(entry, previous="0" * 64) for entry in (record(), record("internal")))
    lines = chained([one, two])
    first = parsed(lines).records[0]
    read = parsed([*lines, replace(_revoked(first), previous=parsed(lines).head).line()])
    assert read.apply(LATTICE, chunk("secret"), NOW).label == Label("internal")
    assert [read.state(entry, LATTICE, NOW) for entry in read.records] == ["revoked", "in force"]


def test_only_a_line_before_can_be_revoked_and_only_once() -> None:
    """A revocation that revokes nothing is a fault of the file."""
    (line,) = chained([record()])
    known = parsed([line])
    again = [line, replace(_revoked(known.records[0]), previous=known.head).line()]
    again.append(replace(_revoked(known.records[0]), previous=parsed(again).head).line())
    assert refused(again).startswith("declassified.jsonl:3: revokes: expected the id of a line")
    stranger = Revocation("0" * 16, "ann", "why", NOW)
    assert refused([stranger.line()]).startswith("declassified.jsonl:1: revokes: ")


def test_a_level_that_the_policy_no_longer_has_does_nothing() -> None:
    """It is no fault: a level must be free to go, and no line can be taken out."""
    known = parsed(chained([record("gone")]))
    assert known.apply(LATTICE, chunk("secret", "hr"), NOW) == chunk("secret", "hr")
    assert known.state(known.records[0], LATTICE, NOW) == "unknown level"


def test_states_follow_the_clock() -> None:
    """Not yet, in force, expired: to the second."""
    known = Declassifications((record(days=0, lasts=2),))
    second, (one,) = timedelta(seconds=1), known.records
    moments = (NOW - second, NOW, NOW + 2 * DAY - second, NOW + 2 * DAY)
    states = [known.state(one, LATTICE, moment) for moment in moments]
    assert states == ["not yet", "in force", "in force", "expired"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"digest": "ABC"}, "digest: expected 64 lower-case hex digits, got 'ABC'"),
        ({"level": ""}, "level: expected the name of a level"),
        ({"by": " "}, "by: expected who"),
        ({"by": "x" * 201}, "by: expected who"),
        ({"by": None}, "by: expected who"),
        ({"reason": ""}, "reason: expected why"),
        ({"reason": "x" * 401}, "reason: expected why"),
        ({"compartments": frozenset({""})}, "compartments: expected names"),
        ({"at": NOW.replace(tzinfo=None)}, "at: expected whole seconds, UTC"),
        ({"expires": NOW - DAY}, "expires: expected a time after"),
        ({"expires": NOW - DAY + DECLASSIFIED_AT_MOST + timedelta(seconds=1)}, "at most 365 days"),
        (
            {"compartments": frozenset(f"{n:0199}" for n in range(60))},
            "expected at most 10000 bytes",
        ),
    ],
)
def test_a_record_that_cannot_be_is_refused(change: dict[str, object], expected: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ValueError, match=expected):
        replace(record(), **change)  # type: ignore[arg-type]
    longest = replace(record(), expires=NOW - DAY + DECLASSIFIED_AT_MOST)
    assert longest.expires - longest.at == DECLASSIFIED_AT_MOST


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\n", "expected a line of JSON"),
        (b"{\n", "expected a line of JSON"),
        (b"\xff\n", "expected a line of JSON"),
        (b"9" * 5000 + b"\n", "expected a line of JSON"),
        (b"[" * 9000 + b"\n", "expected a line of JSON"),
        (b"[]\n", "expected an object, got list"),
        (b"{}\n", "compartments: expected a list of names, got None"),
        (b'{"revokes": 1}\n', "revokes: expected text, got int"),
        (b" " * MAX_DECLASSIFIED_LINE + b"\n", "expected at most 10000 bytes on a line"),
    ],
)
def test_a_line_that_is_no_record_is_refused(line: bytes, expected: str) -> None:
    """With file and line, whatever the bytes."""
    assert refused([*chained([record()]), line]).startswith(f"declassified.jsonl:2: {expected}")


def test_a_line_in_other_words_is_refused() -> None:
    """Also where it says the same: the last line has none after it to hold it fast."""
    (line,) = chained([record()])
    said = json.loads(line)
    for other in (
        json.dumps(said, separators=(",", ":")).encode() + b"\n",
        json.dumps(dict(reversed(said.items()))).encode() + b"\n",
        json.dumps(said | {"more": 1}).encode() + b"\n",
        line.rstrip(b"\n"),
        line.replace(b"\n", b"\r\n"),
    ):
        assert "expected the line as it was written" in refused([other])


def test_a_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line more than the most makes it unusable."""
    monkeypatch.setattr(_declassifications, "MAX_DECLASSIFIED_LINES", 2)
    lines = chained([record(), record("internal"), record("secret")])
    assert len(parsed(lines[:2]).records) == 2
    assert refused(lines) == "declassified.jsonl:3: expected at most 2 lines"


@given(chunks, labels, st.integers(1, 99))
def test_a_transformation_only_lowers(given: Chunk, to: Label, most: int) -> None:
    """The meet of what the answer has and what the step gives, but for whether it is true."""
    step = Transformation("classify", Label(to.level, to.compartments), most)
    after = step.apply(LATTICE, given)
    assert after.label.integrity == given.label.integrity
    assert LATTICE.dominates(given.label, after.label)
    assert after.label.compartments == given.label.compartments & to.compartments
    assert (after is given) or after.released == "transformation:classify"
    assert (after is given) or after.basis == "metadata:label+transformation:classify"
    assert step.fits(most) and not step.fits(most + 1)
    assert Transformation("free", to).fits(10**9)


def _revoked(one: Declassification) -> Revocation:
    return Revocation(one.id, "bob", "a mistake", NOW)
