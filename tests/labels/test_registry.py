"""What is promised about labels that texts keep by their digest."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragtrace.errors import PolicyFileError
from ragtrace.labels import (
    MAX_REGISTRY_LINE,
    Kept,
    LabelKeys,
    Labeller,
    Lattice,
    PiiFinder,
    PiiRule,
    Registry,
    _pii,
    _registry,
)
from ragtrace.labels._named import Finding
from ragtrace.model import Chunk, Label, LabelledRange, Passage, Source, digest

LATTICE = Lattice(("public", "secret"))
NOTE, FEES = digest("a staff note"), digest("our fees")


def line(name: str, level: str, **more: object) -> bytes:
    """A line of a registry."""
    return json.dumps({"digest": name, "level": level} | more).encode() + b"\n"


def registry(*lines: bytes) -> Registry:
    """The registry that the lines spell."""
    return Registry.parse(lines, "labels.jsonl", LATTICE)


def test_a_copy_keeps_its_label_whatever_its_metadata_say() -> None:
    """A text that comes back from elsewhere, marked public, is as strict as it was."""
    known = registry(line(NOTE, "secret", compartments=["hr"]))
    labeller = Labeller(LATTICE, LabelKeys(), (), (), "public", registry=known)
    copy = labeller.label(Passage("a staff note", Source("new"), {"label": "public"}))
    assert copy.label == Label("secret", frozenset({"hr"}))
    assert copy.basis == "metadata:label+registry"
    other = labeller.label(Passage("A staff note", Source("new"), {"label": "public"}))
    assert other.label == Label("public")


def test_the_registry_only_makes_stricter() -> None:
    """A text that its metadata restrict stays restricted; one without is labelled by this."""
    labeller = Labeller(
        LATTICE, LabelKeys(), (), (), "secret", registry=registry(line(FEES, "public"))
    )
    marked = Passage("our fees", Source("s"), {"label": "secret"})
    assert labeller.label(marked).label.level == "secret"
    plain = labeller.label(Passage("our fees", Source("s"), {}))
    assert (plain.label.level, plain.basis) == ("public", "registry")


def test_of_two_lines_about_a_text_the_join_holds() -> None:
    """In whatever order they stand; empty lines and a byte order mark say nothing."""
    lines = [
        b"\xef\xbb\xbf" + line(NOTE, "public", compartments=["hr"]),
        line(NOTE, "secret"),
        b"\n",
    ]
    for order in (lines, [lines[1], b" \r\n", line(NOTE, "public", compartments=["hr"])]):
        assert registry(*order).get(NOTE) == Kept(Label("secret", frozenset({"hr"})))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (b"{", "expected a line of JSON"),
        (b"\xff{}", "expected a line of JSON"),
        (b"[" * 9000, "expected a line of JSON"),
        (b"9" * 9000, "expected an object, got float"),
        (b"[]", "expected an object, got list"),
        (b" " * MAX_REGISTRY_LINE + b"{}", "expected at most 10000 bytes on a line"),
        (line(NOTE, "public", label="x"), "unknown key 'label', expected one of digest, level"),
        (line("abc", "public"), "digest: expected 64 lower-case hex digits, got 'abc'"),
        (line(NOTE.upper(), "public"), "digest: expected 64 lower-case hex digits"),
        (b'{"level": "public"}', "digest: expected 64 lower-case hex digits, got None"),
        (line(NOTE, "secrte"), "level: expected one of the levels public, secret, got 'secrte'"),
        (b'{"digest": "%s"}' % NOTE.encode(), "level: expected one of the levels"),
        (line(NOTE, "public", compartments="hr"), "compartments: expected a list of names"),
        (line(NOTE, "public", compartments=[""]), "compartments: expected a list of names"),
        (line(NOTE, "public", pii=True), "pii: expected a list of digests, got True"),
        (line(NOTE, "public", pii=["abc"]), "pii: expected a list of digests, got ['abc']"),
        (line(NOTE, "public", ranges={}), "ranges: expected a list of ranges, got {}"),
        (line(NOTE, "public", ranges=[7]), "ranges: expected an object, got float"),
        (line(NOTE, "public", ranges=[{"start": 3}]), "ranges: expected start before end, got 3.0"),
        *(
            (line(NOTE, "public", ranges=[{"start": a, "end": b, "level": "public"}]), "ranges: ")
            for a, b in ((3, 3), (-1, 3), (1.5, 3), (True, 3), (0, 10**10), (0, 1e400), ("0", "3"))
        ),
        (
            line(NOTE, "public", ranges=[{"start": 0, "end": 3, "level": "secrte"}]),
            "ranges: level: expected one of the levels public, secret, got 'secrte'",
        ),
        (
            line(NOTE, "public", ranges=[{"start": 0, "end": 3, "label": "secret"}]),
            "ranges: unknown key 'label', expected one of start, end, level, compartments",
        ),
        (
            b'{"digest": "%s", "compartments": ["hr"], "pii": []}' % NOTE.encode(),
            "level: expected one of the levels public, secret, got None",
        ),
        (
            b'{"digest": "%s", "level": "secret", "level": "public"}' % NOTE.encode(),
            "'level' is said twice",
        ),
    ],
)
def test_a_broken_line_is_refused_with_file_and_line(broken: bytes, expected: str) -> None:
    """The message names the file, the line and what was expected."""
    with pytest.raises(PolicyFileError) as caught:
        registry(line(FEES, "public"), broken)
    assert str(caught.value).startswith(f"labels.jsonl:2: {expected}")


def test_a_registry_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One text more than fits is refused, and not left out; one that is there already is not."""
    monkeypatch.setattr(_registry, "MAX_REGISTRY_TEXTS", 1)
    assert registry(line(NOTE, "public"), line(NOTE, "secret")).get(NOTE) == Kept(Label("secret"))
    with pytest.raises(PolicyFileError, match=r"labels\.jsonl:2: expected at most 1 texts"):
        registry(line(NOTE, "public"), line(FEES, "secret"))


def test_ranges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all texts together."""
    monkeypatch.setattr(_registry, "MAX_REGISTRY_RANGES", 1)
    part = {"start": 0, "end": 3, "level": "secret"}
    registry(line(NOTE, "public", ranges=[part]))
    with pytest.raises(PolicyFileError, match=r"labels\.jsonl:2: expected at most 1 ranges"):
        registry(line(NOTE, "public", ranges=[part]), line(FEES, "public", ranges=[part]))


def test_ranges_stay_with_a_text() -> None:
    """They restrict parts of it; without a level of its own the text is not labelled by them."""
    part = {"start": 2, "end": 7, "level": "secret", "compartments": ["hr"]}
    said = b'{"digest": "%s", "ranges": [%s]}' % (NOTE.encode(), json.dumps(part).encode())
    labeller = Labeller(LATTICE, LabelKeys(), (), (), "public", registry=registry(said))
    chunk = labeller.label(Passage("a staff note", Source("s"), {}))
    assert chunk.ranges == (LabelledRange(2, 7, Label("secret", frozenset({"hr"}))),)
    assert (chunk.label, chunk.basis) == (Label("public"), "unlabelled+registry")


def test_a_range_beyond_the_end_restricts_all_of_the_text() -> None:
    """It is about another text."""
    part = {"start": 2, "end": 70, "level": "secret"}
    known = registry(line(NOTE, "public", ranges=[part]))
    labeller = Labeller(LATTICE, LabelKeys(), (), (), "public", registry=known)
    chunk = labeller.label(Passage("a staff note", Source("s"), {}))
    assert chunk.ranges == (LabelledRange(0, 12, Label("secret")),)


class Counting:
    """Finds every word "ann", and counts how often it was asked."""

    supported_entities = ("EMAIL_ADDRESS",)

    def __init__(self) -> None:
        self.calls = 0

    def analyze(self, text: str, entities: object) -> list[Finding]:
        """Every place where the word stands."""
        self.calls += 1
        return [Finding("EMAIL_ADDRESS", m.start(), m.end(), 1) for m in re.finditer("ann", text)]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """In place of Presidio's recognisers."""
    recogniser = Counting()
    monkeypatch.setattr(_pii, "_recognisers", lambda entities: [recogniser])
    return recogniser


def test_personal_data_that_was_looked_for_is_not_looked_for_again(counting: Counting) -> None:
    """Unless something else is looked for now, or the same is labelled otherwise."""
    rule = PiiRule(("EMAIL_ADDRESS",))
    part = {"start": 4, "end": 7, "level": "public", "compartments": ["pii"]}
    name = digest("ask ann")
    said = {"digest": name, "ranges": [part], "pii": [rule.digest]}
    known = registry(json.dumps(said).encode())

    def labelled(rule: PiiRule) -> Chunk:
        labeller = Labeller(
            LATTICE, LabelKeys(), (), (), "public", registry=known, pii=PiiFinder(rule, LATTICE)
        )
        return labeller.label(Passage("ask ann", Source("s"), {}))

    chunk = labelled(rule)
    assert (counting.calls, chunk.basis) == (0, "unlabelled+registry")
    assert chunk.ranges == (LabelledRange(4, 7, Label("public", frozenset({"pii"}))),)
    for other in (
        PiiRule(("US_SSN",)),
        PiiRule(("EMAIL_ADDRESS", "US_SSN")),
        PiiRule(("EMAIL_ADDRESS",), level="secret"),
        PiiRule(("EMAIL_ADDRESS",), threshold=0.1),
        PiiRule(("EMAIL_ADDRESS",), by_entity=True),
        PiiRule(("EMAIL_ADDRESS",), model="model"),
    ):
        counting.calls = 0
        assert labelled(other).ranges != ()
        assert counting.calls == 1


LABELS = st.builds(
    Label, st.sampled_from(LATTICE.levels), st.frozensets(st.sampled_from(["hr", "tenant:a\ud800"]))
)
PLACES = st.lists(st.integers(0, 14), min_size=2, max_size=2, unique=True).map(sorted)
RANGES = st.lists(st.builds(lambda p, label: LabelledRange(p[0], p[1], label), PLACES, LABELS))
KEPT = st.builds(
    Kept,
    st.none() | LABELS,
    RANGES.map(tuple),
    st.frozensets(st.sampled_from([digest("one rule"), digest("another")])),
).filter(lambda kept: kept != Kept())


def test_two_lines_know_what_both_know() -> None:
    """Parts of either, and what either was looked through for."""
    one, two = (LabelledRange(at, at + 2, Label("secret")) for at in (0, 1))
    rules = [digest("one rule"), digest("another")]
    first = Kept(None, (one,), frozenset(rules[:1]))
    second = Kept(None, (two,), frozenset(rules[1:]))
    known = registry(first.line(NOTE), second.line(NOTE), first.line(NOTE)).get(NOTE)
    assert known == Kept(None, (one, two), frozenset(rules))


@given(KEPT)
def test_a_line_says_all_that_is_known(kept: Kept) -> None:
    """What is written is read again."""
    assert registry(kept.line(NOTE)).get(NOTE) == kept


@given(st.lists(KEPT, max_size=3), st.none() | st.sampled_from(LATTICE.levels))
def test_a_registry_never_makes_less_strict(texts: list[Kept], level: str | None) -> None:
    """Neither a text with a label, nor its parts; ranges stay in order and disjoint."""
    known = registry(*(kept.line(NOTE) for kept in texts))
    plain = Labeller(LATTICE, LabelKeys(), (), (), "public")
    labeller = Labeller(LATTICE, LabelKeys(), (), (), "public", registry=known)
    spans = [{"start": 3, "end": 6, "label": "secret"}]
    passage = Passage("a staff note", Source("s"), {"label": level, "restricted_spans": spans})
    before, chunk = plain.label(passage), labeller.label(passage)
    assert LATTICE.dominates(chunk.label, before.label)
    assert all(one.end <= two.start for one, two in itertools.pairwise(chunk.ranges))
    for place in range(12):
        over = [p.label for p in before.ranges if p.start <= place < p.end]
        mine = [p.label for p in chunk.ranges if p.start <= place < p.end]
        assert len(mine) <= 1
        assert LATTICE.dominates(LATTICE.join(mine), LATTICE.join(over))
    assert labeller.label(passage) == chunk
