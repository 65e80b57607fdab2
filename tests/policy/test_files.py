"""What a policy is read from, and what counts as decided where judging fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragtrace.errors import PolicyFileError, RegistryFileError
from ragtrace.model import Action, digest
from ragtrace.policy import FailureKind, Files, parse_policy, read_policy, schema, version_of

BASE = "version: 1\nlevels: [public, secret]\naudiences: {staff: {clearance: secret}}\n"
NAMING = f"{BASE}registry: labels.jsonl\n"


def entry(text: str) -> str:
    return json.dumps({"digest": digest(text), "level": "secret"}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A policy that names a registry."""
    (tmp_path / "labels.jsonl").write_text(entry("a note"))
    path = tmp_path / "policy.yaml"
    path.write_text(NAMING)
    return path


def test_the_digest_covers_the_registry(path: Path) -> None:
    """It changes with either file, and only with what they hold."""
    labels = path.with_name("labels.jsonl")
    first = read_policy(path).digest
    labels.write_text(entry("another note"))
    second = read_policy(path).digest
    path.write_text(f"{NAMING}otherwise: drop\n")
    third = read_policy(path).digest
    assert len({digest(NAMING), first, second, third}) == 4
    path.write_text(NAMING)
    labels.write_text(entry("a note"))
    assert read_policy(path).digest == first
    assert parse_policy(path.read_bytes(), str(path)).digest == first


def test_the_digest_of_a_policy_that_names_no_file_is_that_of_its_own(path: Path) -> None:
    """As ``sha256sum`` prints it."""
    path.write_text(BASE)
    assert read_policy(path).digest == digest(BASE)


def test_every_file_is_known_as_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its absolute path, its version and its digest."""
    monkeypatch.chdir(tmp_path)
    files = Files()
    read_policy("policy.yaml", files)
    assert [one.path for one in files] == [str(path), str(path.with_name("labels.jsonl"))]
    assert [one.version for one in files] == [version_of(one.path) for one in files]
    assert [one.digest for one in files] == [digest(NAMING), digest(entry("a note"))]


@pytest.mark.parametrize("broken", [None, "", "{\n"])
def test_a_file_that_cannot_be_read_is_known_as_well(path: Path, broken: str | None) -> None:
    """Its change may put things right."""
    labels = path.with_name("labels.jsonl")
    labels.unlink()
    if broken is None:
        labels.mkdir()
    elif broken:
        labels.write_text(broken)
    files = Files()
    with pytest.raises(RegistryFileError, match=r"labels\.jsonl"):
        read_policy(path, files)
    assert [(one.path, one.version) for one in files][1] == (str(labels), version_of(labels))
    missing = Files()
    with pytest.raises(PolicyFileError):
        read_policy(path.with_name("nowhere.yaml"), missing)
    assert [one.version for one in missing] == [None]


KINDS: list[FailureKind] = list(schema()["properties"]["failures"]["properties"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_failures(kind: FailureKind) -> None:
    """By kind and audience; ``unknown`` is whoever the policy does not name."""
    judged_all_the_same = kind in ("unknown-audience", "registry-unreachable", "not-covered")
    default = Action.ALLOW if judged_all_the_same else Action.BLOCK
    other = Action.BLOCK if judged_all_the_same else Action.ALLOW
    said = {
        "": (default, default),
        f"failures: {{{kind}: {other}}}": (other, other),
        f"failures: {{{kind}: {{staff: {other}}}}}": (other, default),
        f"failures: {{{kind}: {{unknown: {other}}}}}": (default, other),
    }
    for more, expected in said.items():
        policy = parse_policy(f"{BASE}{more}".encode())
        found = [policy.failures.action(kind, policy.audience(name)) for name in ("staff", "guest")]
        assert tuple(found) == expected
        assert policy.failures.action(kind, policy.audience(None)) is expected[1]
