"""A policy file that changes while the application runs, and what is judged in the meantime."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import ragtrace
from ragtrace.attribution.corpus import CorpusDocument, CorpusWriter
from ragtrace.capture import Call, Model, Retrieval, Runtime, current, current_request, ensure
from ragtrace.capture._reload import QUIET, Reload
from ragtrace.model import Action, Label, Message, Passage, Source, digest
from ragtrace.policy import Files, read_policy
from ragtrace.testing import Recorder, recording
from ragtrace.wire import names
from tests.prose import prose

SECRET = prose(7, 40)
POLICY = (
    "version: 1\nlevels: [public, internal, staff_only]\non_block: refuse\n"
    "audiences:\n  customer: {clearance: public}\n  staff: {clearance: staff_only}\n"
)
OPEN, SHUT = f"{POLICY}otherwise: allow\n", f"{POLICY}otherwise: block\n"
BROKEN = {
    "half-written": (f"{POLICY}otherwise: [blo", "policy.yaml:7: not YAML"),
    "an unknown level": (
        SHUT.replace("staff: {clearance: staff_only}", "staff: {clearance: secret}"),
        "policy.yaml:6: audiences.staff.clearance: expected one of the levels",
    ),
    "a missing registry": (f"{SHUT}registry: gone.jsonl\n", "policy.yaml:8: registry: "),
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy file that is looked at all the time."""
    monkeypatch.setenv("RAGTRACE_POLICY_RELOAD", "0.01")
    path = tmp_path / "policy.yaml"
    put(path, SHUT)
    return path


@pytest.fixture
def recorder(path: Path) -> Iterator[Recorder]:
    with recording(str(path)) as recorded:
        yield recorded


def put(path: Path, text: str) -> None:
    """Replace a file in one go: no reader finds it empty."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def running() -> Runtime:
    runtime = current()
    assert runtime is not None
    return runtime


def until(true: Callable[[], bool]) -> None:
    """Go on once something has come true; a failure says that it never has."""
    for _ in range(3000):
        if true():
            return
        time.sleep(0.005)
    pytest.fail("this has not come true")


def judged_by(text: str) -> Callable[[], bool]:
    return lambda: running().policy.digest == digest(text) and running().stale is None


def turn(audience: str = "customer") -> Action:
    """What is decided about a prompt with a staff note that was retrieved for it."""
    with ragtrace.request(audience=audience):
        request = current_request()
        assert request is not None
        source = Source("notes")
        search = Retrieval(running(), request, source, top_k=None, query="").begin()
        (text,) = search.judge([Passage(SECRET, source, {"label": "staff_only"})])
        search.end()
        call = Call(running(), request, Model("chat"), [Message("user", f"{text} May I?")])
        if call.blocked:
            with suppress(ragtrace.PolicyBlocked):
                call.refuse()
        else:
            call.record("Yes.")
            call.finish()
        return Action.BLOCK if call.blocked else Action.ALLOW


def test_every_call_is_decided_while_the_file_flips(
    path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the file holds, each decision is that of the policy which it names."""
    stop, turns, errors = threading.Event(), [], []

    def work() -> None:
        try:
            while not stop.is_set():
                turns.append(turn())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for text, _ in BROKEN.values():
            for good in (OPEN, SHUT):
                put(path, good)
                until(judged_by(good))
                put(path, text)
                until(lambda: running().stale is not None)
                assert running().policy.digest == digest(good)
                done = len(turns)
                until(lambda done=done: len(turns) > done + 8 or bool(errors))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    spans = [span for span in recorder.spans if names.STAGE in span.attributes]
    assert len(recorder.of("chat")) == len(recorder.of("retrieval")) == len(turns)
    said = {(s.attributes[names.POLICY], s.attributes[names.DECISION_ACTION]) for s in spans}
    assert said == {(digest(OPEN), "allow"), (digest(SHUT), "block")}
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    expected = [where for _, where in BROKEN.values() for _ in (OPEN, SHUT)]
    assert len(warnings) == len(expected)
    for message, where in zip(warnings, expected, strict=True):
        assert where in message
        assert SECRET[:40] not in message


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_used_is_said_once_and_tried_again(
    kind: str, path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The policy before it judges on, and the next version of the file counts."""
    put(path, BROKEN[kind][0])
    until(lambda: running().stale is not None)
    for _ in range(20):
        time.sleep(0.005)
        turn()
    assert turn() is Action.BLOCK
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1
    put(path, OPEN)
    until(judged_by(OPEN))
    assert turn() is Action.ALLOW


def test_request_spans_say_that_the_policy_is_stale(path: Path, recorder: Recorder) -> None:
    """As long as the file cannot be used, and no longer."""
    turn()
    path.unlink()
    until(lambda: running().stale is not None)
    turn()
    put(path, SHUT)
    until(judged_by(SHUT))
    turn()
    spans = [span for span in recorder.spans if span.name == "ragtrace.request"]
    assert [span.attributes.get(names.POLICY_STALE) for span in spans] == [None, True, None]


def test_a_registry_that_appears_or_changes_counts(path: Path, recorder: Recorder) -> None:
    """It is watched like the policy, and the policy's digest covers it."""
    labels = path.with_name("labels.jsonl")
    put(path, f"{OPEN}registry: labels.jsonl\n")
    until(lambda: running().stale is not None)
    seen = set()
    for level in ("public", "internal"):
        put(labels, json.dumps({"digest": digest(SECRET), "level": level}) + "\n")
        changed = read_policy(path).digest
        until(lambda changed=changed: running().policy.digest == changed)
        passage = Passage(SECRET, Source("notes"), {"label": "public"})
        assert running().policy.labeller.label(passage).label.level == level
        seen.add(changed)
    assert len(seen) == 2


def test_no_call_waits_for_a_file_to_be_read(
    path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a large registry is read, the policy before it judges."""
    begun, go = threading.Event(), threading.Event()

    def slow(*given: Any) -> Any:
        begun.set()
        assert go.wait(30)
        return read_policy(*given)

    monkeypatch.setattr("ragtrace.capture._reload.read_policy", slow)
    put(path, OPEN)
    until(lambda: running() is not None and begun.is_set())
    assert turn() is Action.BLOCK
    go.set()
    until(judged_by(OPEN))
    assert turn() is Action.ALLOW


def test_a_failure_of_the_reader_itself_keeps_the_policy(
    path: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever it raises, and without its words."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr("ragtrace.capture._reload.read_policy", fail)
    put(path, OPEN)
    until(lambda: running().stale is not None)
    assert turn() is Action.BLOCK
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def test_what_a_process_has_seen_outlives_the_policy(path: Path, recorder: Recorder) -> None:
    """Only the policy is replaced; and one that says the same is not."""
    before = running()
    put(path, OPEN)
    until(judged_by(OPEN))
    now = running()
    assert (now.ledger, now.tracer, now.config) == (before.ledger, before.tracer, before.config)
    put(path, f"{OPEN}[")
    until(lambda: running().stale is not None)
    put(path, OPEN)
    until(judged_by(OPEN))
    assert running().policy is now.policy


def test_a_request_that_outlives_a_policy_is_judged_with_its_audience_as_it_is_now(
    path: Path, recorder: Recorder
) -> None:
    """Who was cleared under the old policy is not cleared by that under the new one."""
    with ragtrace.request(audience="staff", tenant="acme", user="ann"):
        request = current_request()
        assert request is not None
        asked = [Message("user", f"{SECRET} May I?")]
        source = Source("notes")
        search = Retrieval(running(), request, source, top_k=None, query="").begin()
        search.judge([Passage(SECRET, source, {"label": "staff_only"})])
        search.end()
        first = Call(running(), request, Model("chat"), asked)
        changed = SHUT.replace("staff: {clearance: staff_only}", "staff: {clearance: public}")
        put(path, changed)
        until(judged_by(changed))
        second = Call(running(), request, Model("chat"), asked)
        reader = request.reader(running().policy)
    assert (first.blocked, second.blocked) == (False, True)
    assert (reader.clearance, reader.principal) == ("public", "ann")
    assert reader.compartments == {"tenant:acme"}


def test_a_process_that_started_closed_opens_when_its_policy_is_put_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to start it again; its other settings hold."""
    put(path, BROKEN["half-written"][0])
    monkeypatch.setenv("RAGTRACE_POLICY", str(path))
    monkeypatch.setenv("RAGTRACE_AUDIENCE", "staff")
    ensure()
    assert turn("staff") is Action.BLOCK
    put(path, f"{SHUT}registry: labels.jsonl\n")
    until(lambda: "labels.jsonl" in str(running().stale))
    assert turn("staff") is Action.BLOCK
    put(path.with_name("labels.jsonl"), "")
    until(lambda: running().stale is None)
    assert turn("staff") is Action.ALLOW
    assert turn("customer") is Action.BLOCK
    assert running().config.audience == "staff"


def test_a_process_that_started_without_its_index_stays_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that is put right does not make up for prompts that are not looked through."""
    monkeypatch.setenv("RAGTRACE_POLICY", str(path))
    monkeypatch.setenv("RAGTRACE_INDEX", str(path.parent / "nowhere"))
    ensure()
    assert running().reload is None
    assert turn("staff") is Action.BLOCK


def test_a_process_that_started_closed_looks_through_prompts_once_it_opens(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index was opened, though there was no policy to use it with."""
    with CorpusWriter(tmp_path / "index") as writer:
        writer.add([CorpusDocument("note", SECRET, Label("staff_only"), Source("notes"))])
    put(path, "levels: [")
    monkeypatch.setenv("RAGTRACE_POLICY", str(path))
    monkeypatch.setenv("RAGTRACE_INDEX", str(tmp_path / "index"))
    ensure()
    put(path, SHUT)
    until(judged_by(SHUT))
    with ragtrace.request(audience="customer"):
        request = current_request()
        assert request is not None
        assert Call(running(), request, Model("chat"), [Message("user", SECRET)]).blocked


def test_what_is_set_up_anew_is_not_undone(path: Path, tmp_path: Path, recorder: Recorder) -> None:
    """A change of the file that was used before counts no more."""
    other = tmp_path / "other.yaml"
    put(other, OPEN)
    before = running().reload
    assert before is not None
    ragtrace.init(str(other), instrument=False)
    put(path, "levels: [")
    for _ in range(20):
        before.look()
        time.sleep(0.005)
    assert judged_by(OPEN)()


def test_zero_seconds_never_look(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are then read once."""
    monkeypatch.setenv("RAGTRACE_POLICY_RELOAD", "0")
    with recording(str(path)):
        assert running().reload is None


def test_the_files_are_looked_at_only_when_it_is_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In between, a step asks the clock and nothing else."""
    looks: list[str] = []
    now = [100.0]
    files = Files()
    read_policy(path, files)
    version = next(iter(files)).version
    monkeypatch.setattr(
        "ragtrace.capture._reload.version_of", lambda path: looks.append(path) or version
    )
    reload = Reload(str(path), files, 2.0, clock=lambda: now[0])
    for second, expected in ((100, 0), (101.9, 0), (102, 1), (103.9, 1), (104.1, 2)):
        now[0] = second
        reload.look()
        reload.look()
        assert len(looks) == expected


def test_a_file_that_is_being_written_is_left_alone(
    path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a step of the clock of files a second change looks like the first."""
    monkeypatch.setattr("ragtrace.capture._reload.QUIET", 3600.0)
    put(path, OPEN)
    for _ in range(20):
        assert judged_by(SHUT)()
        time.sleep(0.005)
    monkeypatch.setattr("ragtrace.capture._reload.QUIET", QUIET)
    until(judged_by(OPEN))


FORKED = """
import os, pathlib, sys, time, ragtrace
from ragtrace.capture import current, _reload
path = pathlib.Path(sys.argv[1])
ragtrace.init(str(path), instrument=False)
was = current().policy.digest
_reload._reading.acquire()  # as by a thread that is reading while the process forks
child = os.fork()
if child == 0:
    path.write_text(path.read_text().replace(": block", ": allow"))
    for _ in range(1000):
        if current().policy.digest != was:
            os._exit(0)
        time.sleep(0.01)
    os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_notices_a_change(path: Path) -> None:
    """Also one that was forked while its parent was reading."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
