"""What is promised about labels that texts keep by their digest."""

from __future__ import annotations

import json

import pytest

from ragtrace.errors import PolicyFileError
from ragtrace.labels import MAX_REGISTRY_LINE, LabelKeys, Labeller, Lattice, Registry, _registry
from ragtrace.model import Label, Passage, Source, digest

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
        assert registry(*order).get(NOTE) == Label("secret", frozenset({"hr"}))


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
    assert registry(line(NOTE, "public"), line(NOTE, "secret")).get(NOTE) == Label("secret")
    with pytest.raises(PolicyFileError, match=r"labels\.jsonl:2: expected at most 1 texts"):
        registry(line(NOTE, "public"), line(FEES, "secret"))
