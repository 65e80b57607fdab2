"""The bench of overhead, at tiny sizes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("langchain_core")

import ragtrace.testing.overhead as bench
from ragtrace.cli._bench import OVERHEAD, command
from ragtrace.errors import RagtraceError
from ragtrace.testing.overhead import _bench, _delivery
from ragtrace.testing.overhead._process import WorkerProcess
from ragtrace.testing.overhead._sink import Sink
from ragtrace.testing.overhead._tracers import ARMED, BASE, OURS, TEXTS, Tracer

TINY = bench.Effort(rounds=1, calls=2, streams=1, seconds=0.5)


@pytest.fixture(autouse=True)
def ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever peers are installed: each takes seconds to start."""
    kept = tuple(one for one in bench.TRACERS if one.name.startswith(("none", "ragtrace")))
    monkeypatch.setattr(_bench, "TRACERS", kept)
    monkeypatch.setattr(bench, "FULL", TINY)


def test_the_command_knows_every_section() -> None:
    assert OVERHEAD == bench.SECTIONS


@pytest.mark.slow
def test_a_call_is_measured_beside_the_application_alone() -> None:
    """With what it takes, how many spans there are, and what is sent."""
    done = CliRunner().invoke(command, ["overhead", "--only", "sent", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows[f"sent: {BASE}: a call"]["value"] > 0
    assert rows[f"sent: {OURS}: a call"]["bar"] == 500
    assert rows[f"sent: {OURS}: spans"]["value"] == 3
    assert 0 < rows[f"sent: {OURS}: bytes"]["value"] < rows[f"sent: {TEXTS}: bytes"]["value"]


@pytest.mark.slow
def test_a_delta_is_measured_by_itself_and_with_its_share_of_the_stream() -> None:
    """And costs few calls of ours: what it takes more is no share of anything else."""
    rows = {row.name: row for row in _bench.measure("stream", TINY)}
    alone = rows[f"stream: {BASE}: Python calls a delta"].value
    for name, bar, most in ((OURS, 2, 8), (ARMED, 12, 26)):
        assert rows[f"stream: {name}: a delta"].at_most == bar
        assert rows[f"stream: {name}: shared out"].at_most is None
        assert rows[f"stream: {name}: an answer"].value > 0
        assert rows[f"stream: {name}: Python calls a delta"].value - alone <= most


@pytest.mark.slow
def test_nothing_is_lost_of_a_back_end_that_is_slow_or_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_delivery, "SLOW_SECONDS", 0.3)
    rows = {row.name: row for row in _bench.measure("delivery", TINY)}
    for how in ("slow", "dead"):
        assert rows[f"delivery: {how}: {OURS}: spans made"].value > 0
        assert rows[f"delivery: {how}: {OURS}: lost"].value == 0
    assert rows[f"delivery: dead: {OURS}: exit"].ok


def test_a_tracer_that_is_not_installed_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ragtrace.testing.overhead import _tracers

    class Told:
        def __init__(self) -> None:
            self.notes: list[str] = []

        def progress(self, *_: object) -> None:
            pass

        def note(self, text: str) -> None:
            self.notes.append(text)

    missing = Tracer("Stranger", {"langchain": "no.such.module"}, lambda *_: None)
    monkeypatch.setattr(_tracers, "TRACERS", (missing,))
    monkeypatch.setattr(_bench, "TRACERS", (missing,))
    told = Told()
    assert _bench.measure("made", TINY, told) == []
    assert told.notes == ["Stranger is not installed for langchain: its figures are left out"]


def test_an_application_that_ends_is_named_with_what_it_said_last() -> None:
    with Sink(), pytest.raises(RagtraceError, match="the application under nobody ended"):
        WorkerProcess("nobody", "langchain", 1, None)
