"""``ragtrace declassify`` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ragtrace.cli._declassify import command
from ragtrace.cli._policy_explain import command as explain
from ragtrace.errors import PolicyFileError, RagtraceError
from ragtrace.model import digest
from ragtrace.policy import Policy, _declassified, read_policy, record_declassification

POLICY = """\
version: 1
levels: [public, internal, secret]
audiences: {customer: {clearance: public}}
declassified: declassified.jsonl
"""
TEXT = "Waive the fee once.\n"
SIGNED = ("--by", "ann", "--reason", "it is on the website")
RELEASE = ("--to", "public", "--expires", "30d", *SIGNED)


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy that keeps declassifications, and none yet; the environment names it."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    monkeypatch.setenv("RAGTRACE_POLICY", str(tmp_path / "policy.yaml"))
    return tmp_path / "policy.yaml"


def run(*words: object, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=text)


def done(*words: object, text: str | bytes | None = None) -> str:
    """What is printed."""
    result = run(*words, text=text)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def said(*words: object, text: str | None = None) -> Any:
    return json.loads(done(*words, "--json", text=text))


def refused(*words: object, text: str | bytes | None = None) -> str:
    """What ``main`` says in one line on stderr, with exit status 2."""
    result = run(*words, text=text)
    assert result.stdout == ""
    if isinstance(result.exception, RagtraceError):
        return str(result.exception)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_a_text_is_released_by_its_digest_and_never_stored(policy: Path) -> None:
    """From a file, from stdin and by digest it is the same; the record has who, why and when."""
    (policy.parent / "note.txt").write_text(TEXT)
    made = said(f"@{policy.parent / 'note.txt'}", *RELEASE)
    assert made["digest"] == digest(TEXT)
    assert (made["level"], made["compartments"], made["by"]) == ("public", [], "ann")
    assert said("-", *RELEASE, text=TEXT)["digest"] == digest(TEXT)
    line = done(digest(TEXT).upper(), *RELEASE)
    assert f": {digest(TEXT)} is at most public until " in line
    written = (policy.parent / "declassified.jsonl").read_text()
    assert len(written.splitlines()) == 3
    assert "Waive" not in written
    lasts = [datetime.fromisoformat(made[key].replace("Z", "+00:00")) for key in ("at", "expires")]
    assert lasts[1] - lasts[0] == timedelta(days=30)


def test_compartments_that_are_named_stay(policy: Path) -> None:
    """A date is the second at which it begins."""
    year = datetime.now(UTC).year + 1
    end = min(datetime(year, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=300))
    words = ("--to", "internal", "--compartment", "hr", "--expires", f"{end:%Y-%m-%d}", *SIGNED)
    made = said(digest(TEXT), *words)
    assert (made["level"], made["compartments"]) == ("internal", ["hr"])
    assert made["expires"] == f"{end:%Y-%m-%d}T00:00:00Z"
    assert "internal + hr" in done("--list")


def test_a_list_says_what_has_become_of_each(policy: Path) -> None:
    """In force, expired, revoked, and of a level that has gone; JSON has the head as well."""
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
    record_declassification(
        read_policy(policy),
        digest("old"),
        to="public",
        by="bob",
        reason="it was a holiday",
        at=then,
        expires=then + timedelta(days=1),
    )
    first = said("-", *RELEASE, text="first")
    said("-", *RELEASE, text="second")
    said("-", "--to", "internal", *RELEASE[2:], text="third")
    done("--revoke", first["id"], "--by", "bob", "--reason", "a mistake")
    policy.write_text(POLICY.replace("internal", "inside"))
    listed = said("--list")
    states = [one["state"] for one in listed["declassified"]]
    assert states == ["expired", "revoked", "in force", "unknown level"]
    (revoked,) = listed["revoked"]
    assert (revoked["revokes"], revoked["by"]) == (first["id"], "bob")
    last = (policy.parent / "declassified.jsonl").read_text().splitlines(keepends=True)[-1]
    assert listed["head"] == digest(last)
    text = done("--list")
    assert "expired" in text and "it was a holiday" in text and digest("old")[:16] in text


def test_only_what_is_there_is_revoked_and_once(policy: Path) -> None:
    """Nothing is written otherwise."""
    made = said("-", *RELEASE, text=TEXT)
    assert refused("--revoke", "nothing", *SIGNED) == "there is no declassification 'nothing'"
    assert done("--revoke", made["id"], *SIGNED).endswith(f"{made['id']} is revoked\n")
    before = (policy.parent / "declassified.jsonl").read_bytes()
    assert "is revoked already" in refused("--revoke", made["id"], *SIGNED)
    assert (policy.parent / "declassified.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "expected one of WHAT, --list and --revoke ID"),
        (("--list", "-", *RELEASE), "expected one of WHAT"),
        (("-", *RELEASE[2:]), "--to is missing"),
        (("-", "--to", "public", *SIGNED), "--expires is missing"),
        (("-", "--to", "public", "--expires", "1d", "--by", "a"), "--reason is missing"),
        (("--list", "--to", "public"), "--to goes with WHAT alone"),
        (("--revoke", "x", *SIGNED, "--compartment", "hr"), "--compartment goes with WHAT alone"),
        ((TEXT, *RELEASE), "expected a digest of 64 hex digits, @FILE or -"),
        (("-", "--to", "nowhere", *RELEASE[2:]), "expected one of the levels public, internal"),
        (("-", *RELEASE, "--expires", "never"), "'never': expected 12h, 30d"),
        (("-", *RELEASE, "--expires", "366d"), "at most 365 days"),
        (("-", *RELEASE, "--expires", "2020-01-01"), "expected a time after"),
        (("-", *RELEASE, "--expires", "2026-02-30"), "'2026-02-30': expected 12h"),
        (("-", *RELEASE, "--by", " "), "by: expected who"),
        (("-", *RELEASE, "--reason", "x" * 401), "reason: expected why"),
        (("@/nowhere", *RELEASE), "/nowhere: No such file"),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(
    policy: Path, words: tuple[str, ...], expected: str
) -> None:
    """In one line that says what was expected."""
    assert expected in refused(*words, text=TEXT)
    assert not (policy.parent / "declassified.jsonl").exists()


def test_a_text_that_is_none_is_refused(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, bytes that are no UTF-8, and more than a text has."""
    assert "expected 1 to" in refused("-", *RELEASE, text="")
    assert "-: expected text in UTF-8, byte 1 is not" in refused("-", *RELEASE, text=b"a\xff")
    monkeypatch.setattr("ragtrace.cli._declassify.MAX_TEXT", 3)
    assert "expected 1 to 3 bytes" in refused("-", *RELEASE, text="four")


def test_a_policy_that_keeps_none_says_so(policy: Path) -> None:
    """To release, to revoke and to list need the file's name in the policy."""
    policy.write_text(POLICY.replace("declassified: declassified.jsonl\n", ""))
    for words in (("-", *RELEASE), ("--list",), ("--revoke", "x", *SIGNED)):
        assert "expected a file under 'declassified'" in refused(*words, text=TEXT)
    assert list(policy.parent.iterdir()) == [policy]


def test_a_file_that_was_changed_is_not_written_to(policy: Path) -> None:
    """It makes the policy unusable, with file and line, until it is put right."""
    said("-", *RELEASE, text="one")
    said("-", *RELEASE, text="two")
    file = policy.parent / "declassified.jsonl"
    held = file.read_text()
    changed = held.replace("ann", "bob", 1)
    file.write_text(changed)
    assert refused("-", *RELEASE, text=TEXT).startswith(f"{file}:1: expected the line as it was")
    assert file.read_text() == changed
    with pytest.raises(PolicyFileError, match=r"declassified\.jsonl:1: "):
        read_policy(policy)
    file.write_text("".join(held.splitlines(keepends=True)[1:]))
    assert f"{file}:1: previous: expected" in refused("--list")


def test_a_directory_in_place_of_the_file_is_said(policy: Path) -> None:
    """With the line of the policy."""
    (policy.parent / "declassified.jsonl").mkdir()
    assert refused("--list").startswith(f"{policy}:4: declassified: ")


def test_several_at_once_do_not_break_the_chain(policy: Path) -> None:
    """Threads and processes: every record is there once, and the file can be read."""
    code = "from ragtrace.cli._main import main; main()"
    words = [sys.executable, "-c", code, "declassify", "-", *RELEASE]
    started = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    held = read_policy(policy)
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda number: _release(held, str(number)), range(40)))
    for number, process in enumerate(started):
        process.communicate(f"process {number}", timeout=60)
        names.append(digest(f"process {number}"))
        assert process.returncode == 0
    known = read_policy(policy).declassified.records
    assert sorted(one.digest for one in known) == sorted(names)


def _release(policy: Policy, text: str) -> str:
    at = datetime.now(UTC).replace(microsecond=0)
    made = record_declassification(
        policy,
        digest(text),
        to="public",
        by="ann",
        reason="why",
        at=at,
        expires=at + timedelta(days=1),
    )
    return made.digest


def test_who_reads_meanwhile_never_sees_part_of_a_line(policy: Path) -> None:
    """The file is put in place at one stroke."""
    over = threading.Event()
    read: list[int] = []

    def look() -> None:
        while not over.is_set():
            read.append(len(read_policy(policy).declassified.records))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for number in range(30):
            _release(read_policy(policy), str(number))
    finally:
        over.set()
        watcher.join()
    assert read == sorted(read) and set(read) <= set(range(31))


def test_a_write_that_fails_leaves_the_file_as_it_was(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say: no part of a line, and nothing left beside it."""
    said("-", *RELEASE, text="one")
    before = (policy.parent / "declassified.jsonl").read_bytes()

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused("-", *RELEASE, text="two")
    assert (policy.parent / "declassified.jsonl").read_bytes() == before
    assert not list(policy.parent.glob("*.tmp"))


def test_a_lock_that_is_never_given_back_is_said(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and nothing is written."""
    monkeypatch.setattr(_declassified, "TRIES", 2)
    monkeypatch.setattr(_declassified, "PAUSE", 0.001)
    with _declassified._locked(policy.parent / "declassified.jsonl"):
        assert "another process is writing it" in refused("-", *RELEASE, text=TEXT)
    assert not (policy.parent / "declassified.jsonl").exists()


def test_the_file_keeps_its_mode_and_a_link_stays_a_link(policy: Path) -> None:
    """Who may read it is for its owner to say."""
    elsewhere = policy.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept.jsonl").touch(0o640)
    (elsewhere / "kept.jsonl").chmod(0o640)
    (policy.parent / "declassified.jsonl").symlink_to(elsewhere / "kept.jsonl")
    said("-", *RELEASE, text=TEXT)
    assert (policy.parent / "declassified.jsonl").is_symlink()
    assert (elsewhere / "kept.jsonl").stat().st_mode & 0o777 == 0o640
    assert len(read_policy(policy).declassified.records) == 1


def test_the_digest_of_the_policy_covers_the_file(policy: Path) -> None:
    """A release is another policy; so is the next."""
    digests = {read_policy(policy).digest}
    for text in ("one", "two"):
        said("-", *RELEASE, text=text)
        digests.add(read_policy(policy).digest)
    assert len(digests) == 3


def test_an_explanation_knows_what_is_released(policy: Path) -> None:
    """``ragtrace policy explain`` says what would be decided now, and who released it."""
    (policy.parent / "note.txt").write_text(TEXT)
    words = [str(policy), "--audience", "customer", "--level", "secret", "--text"]
    words.append(str(policy.parent / "note.txt"))

    def explained() -> str:
        return CliRunner().invoke(explain, words).stdout

    assert "decision: block" in explained()
    said("-", *RELEASE, text=TEXT)
    assert "label: public, by metadata:label+declassified" in explained()
    assert "decision: allow" in explained()


def test_what_a_record_holds_cannot_break_the_terminal(policy: Path) -> None:
    """Escapes and line ends are shown as escapes."""
    said("-", *RELEASE[:-1], "a\x1b[31m\nreason [b]x[/b]", text=TEXT)
    text = done("--list")
    assert "\x1b" not in text and "\\x1b[31m\\nreason" in text and "[b]x[/b]" in text
