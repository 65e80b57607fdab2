"""Taint that fades: by a declassification on record, or in a step that the policy names as safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ragtrace
from ragtrace.attribution.corpus import CorpusDocument, CorpusWriter
from ragtrace.capture import Call, Model, Retrieval, Runtime, current, current_request, install
from ragtrace.cli._declassify import command
from ragtrace.errors import DeclassificationError, PolicyFileError
from ragtrace.labels import Declassification
from ragtrace.model import Action, Chunk, Label, Message, Passage, Source, digest
from ragtrace.policy import read_policy, record_revocation
from ragtrace.testing import Recorder, recording
from tests.prose import chunk, prose

NOTE = "Waive the early repayment charge once, with code LANTERN-11. " + prose(7, 40)
SUMMARY = "In short: " + prose(55, 30)
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = """\
version: 1
levels: [public, internal, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only, compartments: [hr]}
declassified: declassified.jsonl
transformations:
  - {id: classify-intent, to: public, at_most: 80, reason: answers with one of six words}
  - {id: sort, to: internal, compartments: [hr]}
"""
SIGNED: Mapping[str, Any] = {"by": "ann", "reason": "it is on the website"}


class Clock:
    """The time of day, as a test sets it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A policy that keeps declassifications and names two steps."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy.yaml"


@pytest.fixture
def recorder(path: Path) -> Iterator[Recorder]:
    """Ragtrace with that policy; a staff note has been retrieved."""
    with recording(str(path), instrument=False) as recorded:
        running().ledger.add([chunk(NOTE, "staff_only")])
        yield recorded


@pytest.fixture
def clock(recorder: Recorder) -> Clock:
    """Of the runtime that records."""
    made = Clock()
    install(replace(running(), wall=made))
    return made


def running() -> Runtime:
    runtime = current()
    assert runtime is not None
    return runtime


def call(audience: str, *texts: str, role: str = "tool") -> Call:
    """A model call of its own request, on these messages."""
    with ragtrace.request(audience=audience):
        request = current_request()
        assert request is not None
        return Call(running(), request, Model("chat", "m"), [Message(role, text) for text in texts])  # type: ignore[arg-type]


def answered(text: str, *aside: str, prompt: str = NOTE, audience: str = "staff") -> None:
    """A model has answered so on a prompt."""
    made = call(audience, prompt)
    assert not made.blocked
    made.record(text, *aside)
    made.finish()


def blocked(text: str, audience: str = "customer") -> bool:
    """Whether a prompt with this text is."""
    made = call(audience, text)
    made.finish()
    return made.blocked


def revoke(path: Path, made: Declassification) -> None:
    """As another process does, and this one has read it."""
    record_revocation(read_policy(path), made.id, by="bob", reason="a mistake", at=START)
    reload = running().reload
    assert reload is not None
    reload.now()


def test_a_summary_for_staff_is_free_only_while_it_is_declassified(
    recorder: Recorder, clock: Clock
) -> None:
    """Blocked for customers, allowed once it is released, and blocked again when that is over."""
    answered(SUMMARY)
    assert blocked(SUMMARY)
    made = ragtrace.declassify(SUMMARY, expires=DAY, **SIGNED)
    recorder.clear()
    assert not blocked(SUMMARY)
    (span,) = recorder.of("chat")
    (flow,) = [flow for flow in span.flows if flow["digest"] == digest(SUMMARY)]
    assert flow["released"] == f"declassified:{made.id}"
    assert (flow["level"], flow["basis"], flow["action"]) == (
        "public",
        "derived+declassified",
        "allow",
    )
    assert [origin["level"] for origin in flow["origins"]] == ["staff_only"]
    clock.now += DAY - timedelta(seconds=1)
    assert not blocked(SUMMARY)
    clock.now += timedelta(seconds=1)
    assert blocked(SUMMARY)
    assert blocked(NOTE)


def test_a_revocation_takes_it_back(recorder: Recorder, clock: Clock, path: Path) -> None:
    """From when it is read."""
    answered(SUMMARY)
    made = ragtrace.declassify(digest(SUMMARY), expires=START + DAY, **SIGNED)
    assert not blocked(SUMMARY)
    revoke(path, made)
    assert blocked(SUMMARY)


def test_a_chunk_is_retrieved_as_it_is_just_now(recorder: Recorder, clock: Clock) -> None:
    """The ledger keeps its own label: what was retrieved while released is blocked afterwards."""

    def retrieved() -> tuple[list[str | None], dict[str, Any]]:
        recorder.clear()
        with ragtrace.request(audience="customer"):
            request = current_request()
            assert request is not None
            search = Retrieval(running(), request, Source("kb"), top_k=1, query="?").begin()
            texts = search.judge([Passage(NOTE, Source("kb"), {"label": "staff_only"}, "n")])
            search.end()
        (span,) = recorder.of("retrieval")
        return texts, span.flows[0]

    texts, flow = retrieved()
    assert texts != [NOTE] and flow["action"] == "block" and "released" not in flow
    made = ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
    texts, flow = retrieved()
    assert texts == [NOTE] and flow["released"] == f"declassified:{made.id}"
    assert not blocked(NOTE)
    clock.now += DAY
    assert blocked(NOTE)
    assert retrieved()[1]["action"] == "block"


def test_a_turn_that_outlives_a_release_is_judged_without_it(
    recorder: Recorder, clock: Clock
) -> None:
    """What was retrieved for it while it was released is not kept as it was then."""
    ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
    with ragtrace.request(audience="customer"):
        request = current_request()
        assert request is not None
        search = Retrieval(running(), request, Source("kb"), top_k=1, query="?").begin()
        search.judge([Passage(NOTE, Source("kb"), {"label": "staff_only"}, "n")])
        search.end()
        prompt = [Message("tool", NOTE)]
        assert not Call(running(), request, Model("chat"), prompt).blocked
        clock.now += DAY
        assert Call(running(), request, Model("chat"), prompt).blocked


def test_an_excerpt_is_released_without_the_note_it_is_from(
    recorder: Recorder, clock: Clock
) -> None:
    """Its words are free where it stands; the rest of the note is not."""
    excerpt = NOTE[:200]
    answered(excerpt)
    assert blocked(excerpt)
    ragtrace.declassify(excerpt, expires=DAY, **SIGNED)
    assert not blocked(excerpt)
    assert blocked(NOTE)
    assert blocked(NOTE[-200:])


def test_what_the_corpus_index_knows_is_free_where_the_released_text_stands(
    path: Path, tmp_path: Path
) -> None:
    """Where this process has retrieved it; the index by itself knows no text, only passages."""
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add([CorpusDocument("n", NOTE, Label("staff_only"), Source("kb/notes"))])
    with recording(str(path), index=str(tmp_path / "index"), instrument=False):
        ragtrace.declassify(NOTE[:200], expires=DAY, **SIGNED)
        assert blocked(NOTE[:200])
        running().ledger.add([chunk(NOTE[:200], "staff_only")])
        assert not blocked(NOTE[:200])
        assert blocked(NOTE)


def test_what_is_made_of_a_released_text_inherits_nothing_stricter(
    recorder: Recorder, clock: Clock
) -> None:
    """Its origins are not passed on; what is made of it and of the note is as strict as that."""
    answered(SUMMARY)
    ragtrace.declassify(SUMMARY, expires=DAY, **SIGNED)
    again, mixed = prose(77, 30), prose(78, 30)
    answered(again, prompt=SUMMARY)
    answered(mixed, prompt=f"{SUMMARY}\n\n{NOTE}")
    assert not blocked(again)
    assert blocked(mixed)
    made = running().ledger.completion(digest(again))
    assert made is not None
    assert {origin.label.level for origin in made.chunk.origins} <= {"public"}


def test_a_cached_answer_is_given_while_it_is_released(recorder: Recorder, clock: Clock) -> None:
    """To whom it would be withheld otherwise; short or long."""
    short = "Yes, once."
    answered(SUMMARY)
    answered(short)
    for text in (SUMMARY, short):
        assert text not in call("customer", "Hello").cached(text)
        ragtrace.declassify(text, expires=DAY, **SIGNED)
        assert call("customer", "Hello").cached(text) == [text]
    clock.now += DAY
    for text in (SUMMARY, short):
        assert text not in call("customer", "Hello").cached(text)


def test_a_retrieved_text_made_of_a_released_one_inherits_its_label_as_it_is_now(
    recorder: Recorder, clock: Clock
) -> None:
    """A summary that was put into a store, with other words around it."""
    answered(SUMMARY)
    stored = Passage(f"Memo. {SUMMARY}", Source("kb"), {"label": "public"}, "memo")

    def action() -> str:
        recorder.clear()
        with ragtrace.request(audience="customer"):
            request = current_request()
            assert request is not None
            search = Retrieval(running(), request, Source("kb"), top_k=1, query="?").begin()
            search.judge([stored])
            search.end()
        return str(recorder.of("retrieval")[0].flows[0]["action"])

    assert action() == Action.BLOCK
    ragtrace.declassify(SUMMARY, expires=DAY, **SIGNED)
    assert action() == Action.ALLOW


def test_other_processes_read_it_with_the_policy(path: Path, recorder: Recorder) -> None:
    """The file says it, and never the text."""
    made = ragtrace.declassify(SUMMARY, to="internal", expires=DAY, compartments=["hr"], **SIGNED)
    assert read_policy(path).declassified.records == (made,)
    assert made.label.compartments == {"hr"} and made.digest == digest(SUMMARY)
    assert SUMMARY[:20] not in (path.parent / "declassified.jsonl").read_text()


def test_it_holds_at_once_also_where_files_are_never_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zero seconds between two looks means none; a release reads them all the same."""
    monkeypatch.setenv("RAGTRACE_POLICY_RELOAD", "0")
    with recording(str(path), instrument=False):
        running().ledger.add([chunk(NOTE, "staff_only")])
        assert blocked(NOTE)
        ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
        assert not blocked(NOTE)
        assert running().policy.digest == read_policy(path).digest


def test_what_is_recorded_and_cannot_be_read_is_said(path: Path, recorder: Recorder) -> None:
    """The policy was broken meanwhile: the record stands, and holds once that is put right."""
    path.write_text("levels: [")
    with pytest.raises(PolicyFileError, match=r"^recorded as [0-9a-f]{16}, and not yet in force"):
        ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
    assert blocked(NOTE)
    path.write_text(POLICY)
    reload = running().reload
    assert reload is not None
    reload.now()
    assert not blocked(NOTE)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"to": "nowhere"}, "expected one of the levels public, internal, staff_only"),
        ({"to": "staff_only", "compartments": ["hr"]}, "expected less than the text has"),
        ({"expires": timedelta(days=366)}, "at most 365 days"),
        ({"expires": timedelta(0)}, "expected a time after"),
        ({"expires": timedelta.max}, "expected a time nearer by"),
        ({"expires": datetime(2099, 1, 1)}, "expected a time with its zone"),
        ({"by": ""}, "by: expected who"),
        ({"reason": " "}, "reason: expected why"),
        ({"text_or_digest": ""}, "expected a text or its digest"),
    ],
)
def test_what_cannot_be_is_refused(
    path: Path, recorder: Recorder, words: dict[str, Any], expected: str
) -> None:
    """With what was expected; nothing is recorded, and nothing holds."""
    with pytest.raises(DeclassificationError, match=expected):
        ragtrace.declassify(**{"text_or_digest": NOTE, "expires": DAY, **SIGNED, **words})
    assert not (path.parent / "declassified.jsonl").exists()
    assert blocked(NOTE)


def test_without_a_policy_or_its_file_there_is_nothing_to_record_in(path: Path) -> None:
    """Each is said."""
    with (
        recording(instrument=False),
        pytest.raises(DeclassificationError, match="no policy in use"),
    ):
        ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
    path.write_text(POLICY.replace("declassified: declassified.jsonl\n", ""))
    with (
        recording(str(path), instrument=False),
        pytest.raises(DeclassificationError, match="expected a file under 'declassified'"),
    ):
        ragtrace.declassify(NOTE, expires=DAY, **SIGNED)


def test_a_level_that_lowers_nothing_of_a_completion_is_refused(recorder: Recorder) -> None:
    """What a model said is known by its digest alone."""
    answered(SUMMARY)
    with pytest.raises(DeclassificationError, match="which is 'staff_only'"):
        ragtrace.declassify(digest(SUMMARY), to="staff_only", expires=DAY, **SIGNED)


def test_a_safe_step_has_a_free_answer_if_it_is_short(recorder: Recorder) -> None:
    """One of six words is free wherever it goes; at eighty-one characters nothing is lowered."""
    short, long = "repayment " + prose(91, 8)[:60], prose(91, 30)
    for text in (short, long):
        with ragtrace.transformation("classify-intent"):
            answered(text)
    made = running().ledger.completion(digest(short))
    assert made is not None
    assert made.chunk.label == Label("public")
    assert made.chunk.basis == "derived+transformation:classify-intent"
    assert made.chunk.released == "transformation:classify-intent"
    assert [origin.label.level for origin in made.chunk.origins] == ["staff_only"]
    assert not blocked(short)
    assert blocked(long)


def test_the_next_step_is_free_of_what_a_safe_step_has_read(recorder: Recorder) -> None:
    """In one turn, where the shortest answer of a step is known again in the next one's prompt."""
    for name, seed, expected in (("another", 71, True), ("classify-intent", 72, False)):
        running().ledger.add([chunk(NOTE, "staff_only")])
        with ragtrace.request(audience="staff"):
            request = current_request()
            assert request is not None
            with ragtrace.transformation(name):
                first = Call(running(), request, Model("chat"), [Message("user", NOTE)])
            first.record(name)
            first.finish()
            second = Call(running(), request, Model("chat"), [Message("user", name)])
            second.record(prose(seed, 30))
            second.finish()
        assert blocked(prose(seed, 30)) is expected


def test_all_that_a_step_says_counts_for_its_length(recorder: Recorder) -> None:
    """Many short arguments of a tool are one long answer."""
    parts = [prose(100 + n, 8)[:70] for n in range(3)]
    with ragtrace.transformation("classify-intent"):
        answered("repayment", *parts)
    made = [running().ledger.completion(digest(text)) for text in ("\n".join(parts), "repayment")]
    assert [one.chunk.label.level for one in made if one] == ["staff_only"] * 2


def test_a_step_that_quotes_the_note_is_not_safe(path: Path) -> None:
    """However it is named: sixty characters of the note are its words."""
    text = NOTE[:70]
    with recording(str(path), instrument=False):
        running().ledger.add([chunk(NOTE, "staff_only")])
        with ragtrace.transformation("classify-intent"):
            answered(text)
        made = running().ledger.completion(digest(text))
        assert made is not None and made.chunk.released == ""
        assert blocked(text)


def test_a_step_keeps_the_compartments_that_the_policy_names(recorder: Recorder) -> None:
    """And the level it says; it need not be the least, nor bounded."""
    note = _within(chunk(prose(300), "staff_only"), "hr")
    running().ledger.add([note])
    with ragtrace.transformation("sort"):
        answered(SUMMARY, prompt=note.text)
    made = running().ledger.completion(digest(SUMMARY))
    assert made is not None
    assert made.chunk.label == Label("internal", frozenset({"hr"}))


def test_the_innermost_step_counts_and_none_outside(recorder: Recorder) -> None:
    """Sync and async; a task has the step it was started in."""
    said = [prose(400 + n, 8)[:70] for n in range(4)]
    with ragtrace.transformation("sort"):
        with ragtrace.transformation("classify-intent"):
            answered(said[0])
        answered(said[1])
    answered(said[2])

    async def step() -> None:
        with ragtrace.transformation("classify-intent"):
            await asyncio.create_task(asyncio.to_thread(answered, said[3]))  # type: ignore[arg-type]

    asyncio.run(step())
    made = [running().ledger.completion(digest(text)) for text in said]
    levels = [one.chunk.label.level for one in made if one]
    assert levels == ["public", "internal", "staff_only", "public"]


def test_a_stream_is_the_step_it_was_begun_in(recorder: Recorder) -> None:
    """Its end may come when the step is over."""
    text = prose(500, 8)[:70]
    with ragtrace.transformation("classify-intent"):
        made = call("staff", NOTE)
    made.say(text)
    made.rest()
    made.finish()
    assert not blocked(text)


def test_a_name_that_the_policy_does_not_know_lowers_nothing_and_is_logged_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """A step that was renamed in one place only."""
    text = prose(600, 12)[:78]
    with caplog.at_level(logging.WARNING, "ragtrace"), ragtrace.transformation("clasify-intent"):
        answered(text)
        answered(prose(601, 8))
    assert [record.getMessage() for record in caplog.records] == [
        "ragtrace: the policy knows no transformation 'clasify-intent'; nothing is lowered"
    ]
    assert blocked(text)


def test_the_command_and_the_call_write_the_same_file(path: Path, recorder: Recorder) -> None:
    """One chain, whoever writes it."""
    from click.testing import CliRunner

    ragtrace.declassify(NOTE, expires=DAY, **SIGNED)
    words = ["-", "--policy", str(path), "--to", "public", "--expires", "1d", "--by", "bob"]
    done = CliRunner().invoke(command, [*words, "--reason", "why"], input=SUMMARY)
    assert done.exit_code == 0, done.output
    known = read_policy(path).declassified
    assert [one.by for one in known.records] == ["ann", "bob"]


def _within(one: Chunk, compartment: str) -> Chunk:
    return replace(one, label=replace(one.label, compartments=frozenset({compartment})))
