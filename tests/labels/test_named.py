"""What is promised about people, places and organisations, which only a model finds."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import PolicyFileError
from ragtrace.labels import NAMED, Lattice, PiiFinder, PiiRule, _named
from ragtrace.model import digest
from ragtrace.policy import parse_policy
from tests.named import model_of

LATTICE = Lattice(("public", "secret"))
TEXT = "Ask Ann Miller in Leeds (ann@example.com) about ACME and the Danes, by Monday."
SAID = {
    "PERSON": "Ann Miller",
    "GPE": "Leeds",
    "ORG": "ACME",
    "NORP": "Danes",
    "DATE": "Monday",
}


def finder(folder: Path, *entities: str, model: str | None = "model", **said: Any) -> PiiFinder:
    """A finder with the model in ``folder``."""
    pytest.importorskip("presidio_analyzer")
    return PiiFinder(PiiRule(entities, model=model, **said), LATTICE, folder)


def found(text: str, by: PiiFinder) -> list[str]:
    """What is found."""
    return [text[part.start : part.end] for part in by.ranges(text, digest(text))]


@pytest.mark.parametrize(("kind", "called"), [*zip(NAMED, SAID, strict=True)])
def test_each_kind_is_found_by_the_name_that_presidio_gives_it(
    tmp_path: Path, kind: str, called: str
) -> None:
    """Whatever the model calls it, the label stands just where the name does."""
    model_of(tmp_path / "model", **SAID)
    by = finder(tmp_path, kind, by_entity=True)
    (part,) = by.ranges(TEXT, digest(TEXT))
    assert TEXT[part.start : part.end] == SAID[called]
    assert part.label.compartments == {f"pii:{kind}"}


def test_names_and_patterns_are_found_together(tmp_path: Path) -> None:
    """And nothing that was not asked for; a threshold above the model's score finds no name."""
    model_of(tmp_path / "model", **SAID)
    kinds = ("EMAIL_ADDRESS", "PERSON")
    assert found(TEXT, finder(tmp_path, *kinds)) == ["ann@example.com", "Ann Miller"]
    assert found(TEXT, finder(tmp_path, *kinds, threshold=0.9)) == ["ann@example.com"]


def test_the_model_is_loaded_once_and_keeps_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for every policy that names it; and it does not grow with what it reads."""
    spacy = pytest.importorskip("spacy")
    model_of(tmp_path / "model", **SAID)
    loaded: list[str] = []
    load = spacy.load
    monkeypatch.setattr(spacy, "load", lambda name: loaded.append(name) or load(name))
    one = finder(tmp_path, "PERSON")
    two = finder(tmp_path, "LOCATION", "EMAIL_ADDRESS")
    assert loaded == [str(tmp_path / "model")]
    pipeline, _ = _named._load(loaded[0])
    before = len(pipeline.vocab.strings)
    for text in ("quibble frobnicate", "snark boojum Leeds"):
        assert found(text, one) == []
        two.ranges(text, digest(text))
    assert len(pipeline.vocab.strings) == before


def test_a_text_too_long_for_the_model_is_personal_from_end_to_end(tmp_path: Path) -> None:
    """What cannot be looked through may hold a name."""
    model_of(tmp_path / "model", **SAID)
    text = "a " * 600_000
    (part,) = finder(tmp_path, "PERSON").ranges(text, digest(text))
    assert (part.start, part.end) == (0, len(text))


@pytest.mark.parametrize(
    ("model", "kind", "expected"),
    [
        ("en_core_web_xx", "PERSON", "'en_core_web_xx' is neither a directory nor an installed"),
        ("blank:en", "PERSON", "'blank:en' is neither a directory nor an installed package"),
        ("empty", "PERSON", "empty' cannot be loaded: "),
        ("presidio_analyzer", "PERSON", "'presidio_analyzer' cannot be loaded: "),
        ("model", "NRP", "model' does not find NRP, it finds LOCATION, PERSON"),
        (None, "PERSON", "PERSON is found by a language model only"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str | None, kind: str, expected: str
) -> None:
    """Neither by Presidio, which does so of itself, nor by spaCy; the message names the line."""
    spacy = pytest.importorskip("spacy")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was downloaded")

    monkeypatch.setattr(spacy.cli, "download", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model_of(tmp_path / "model", PERSON="Ann Miller", LOC="Leeds")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=expected):
        finder(tmp_path, kind, model=model)
    if model is None:
        return
    policy = (
        "version: 1\nlevels: [public, secret]\naudiences: {a: {clearance: public}}\n"
        f"pii:\n  entities: [{kind}]\n  model: {model}\n"
    )
    with pytest.raises(PolicyFileError, match=rf"policy\.yaml:6: pii\.model: .*{expected}"):
        parse_policy(policy.encode(), str(tmp_path / "policy.yaml"))


def test_only_the_folder_of_the_policy_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory of the model's name where the process was started is not the model."""
    model_of(tmp_path / "here" / "model", **SAID)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match="neither a directory nor an installed package"):
        finder(tmp_path / "elsewhere", "PERSON")
