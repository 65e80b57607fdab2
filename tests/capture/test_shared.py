"""A ledger that several processes share: what one of them knows, all of them judge by."""

from __future__ import annotations

import base64
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis")

import redis

import ragtrace
from ragtrace.capture import Ledger, current, ensure, failures
from ragtrace.capture._derived import Derived
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._shared import COOL_DOWN, KNOWN, STREAM, Shared
from ragtrace.capture._stream import KEPT
from ragtrace.errors import ConfigError, LedgerUnreachableError, MissingDependencyError
from ragtrace.labels import Lattice
from ragtrace.model import Audience, Chunk, Label, Message, Origin
from ragtrace.policy import Policy
from ragtrace.testing import LocalRedis, recording
from ragtrace.testing.bench import Silent
from ragtrace.testing.policy import BAR_MS, measure_sharing
from tests.capture import elsewhere
from tests.capture.elsewhere import Elsewhere
from tests.prose import chunk, prose
from tests.redis_server import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]

SECRET = "Waive the early repayment charge once, with code LANTERN-11, up to $400. " + prose(7, 40)
SUMMARY = "People who mean to leave get their money back, quietly and one time only. " + prose(
    9, 30
)
LATTICE = Lattice(("public", "staff_only"))
POLICY = Policy.observing()
CUSTOMER = Audience("customer", "public")
TO_CUSTOMERS = Recipient("customer", "public", frozenset(), True, None)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\nlevels: [public, staff_only]\notherwise: block\non_block: refuse\n"
        "audiences:\n  customer: {clearance: public}\n  staff: {clearance: staff_only}\n"
        "labels: {level_keys: [label]}\n"
        "failures: {ledger-unreachable: {staff: allow}}\n"
    )
    return str(path)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "ledger.key"
    path.write_bytes(base64.b64encode(os.urandom(32)))
    return str(path)


@pytest.fixture
def environ(policy: str, key_file: str, redis_url: str) -> dict[str, str]:
    return {
        "RAGTRACE_POLICY": policy,
        "RAGTRACE_LEDGER": redis_url,
        "RAGTRACE_LEDGER_KEY_FILE": key_file,
    }


@pytest.fixture
def here(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process, with the ledger."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with recording(instrument=False):
        yield


@pytest.fixture
def there(environ: dict[str, str]) -> Iterator[Elsewhere]:
    """Another process, with the same one."""
    made = Elsewhere(environ)
    yield made
    made.close()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


KEY = bytes(range(32))


def ledger(url: str, key: bytes = KEY, clock: Callable[[], float] | None = None) -> Ledger:
    """A ledger as a process of its own would have it."""
    made = Ledger()
    made.lattice = LATTICE
    made.shared = Shared(url, key, clock=clock or Clock())
    return made


def known(made: Ledger, text: str) -> set[str]:
    """Digests of the chunks that are found in ``text``."""
    return {one.chunk for one in made.attribute([Message("user", text)]).found}


def derived(text: str, *origins: str) -> Derived:
    behind = tuple(Origin(name, "kb/notes", "0" * 64, Label("staff_only")) for name in origins)
    made = chunk(text, "staff_only")
    return Derived(Chunk(**{**_fields(made), "origins": behind}), frozenset({TO_CUSTOMERS}))


def _fields(made: Chunk) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Chunk.__slots__}


def test_what_another_process_has_retrieved_is_known_here(here: None, there: Elsewhere) -> None:
    """At once: whatever it has finished writing is seen."""
    for seed in range(20, 25):
        note = prose(seed, 50)
        assert there.do(elsewhere.retrieve, "staff", note, "staff_only") == [note]
        outcome = elsewhere.ask("customer", f"Tell me about this: {note}")
        assert outcome.blocked and outcome.sources == ("chroma/notes",)


def test_a_summary_made_elsewhere_is_judged_by_what_it_was_made_from(
    here: None, there: Elsewhere
) -> None:
    """By its strictest ancestor, which the reason names; the words of the note are not in it."""
    made = there.do(elsewhere.retrieve_and_sum_up, "staff", SECRET, "staff_only", SUMMARY)
    assert not made.blocked
    outcome = elsewhere.ask("customer", f"Is that so? {SUMMARY}")
    assert outcome.blocked
    assert "note-11" in outcome.reason
    colleague = elsewhere.ask("staff", f"Is that so? {SUMMARY}")
    assert not colleague.blocked
    assert (colleague.level, colleague.origins) == ("staff_only", ("note-11",))


def test_what_is_retrieved_here_is_what_a_model_said_elsewhere(
    here: None, there: Elsewhere
) -> None:
    """A summary filed as a public document is known for what it is."""
    there.do(elsewhere.retrieve_and_sum_up, "staff", SECRET, "staff_only", SUMMARY)
    (found,) = elsewhere.retrieve("customer", SUMMARY, "public")
    assert found is not None and SUMMARY not in found


def test_a_process_that_starts_later_knows_what_was_before(
    environ: dict[str, str], here: None
) -> None:
    """It reads all that the stream holds."""
    elsewhere.retrieve_and_sum_up("staff", SECRET, "staff_only", SUMMARY)
    later = Elsewhere(environ)
    try:
        assert later.do(elsewhere.ask, "customer", SECRET).blocked
        assert later.do(elsewhere.ask, "customer", SUMMARY).blocked
    finally:
        later.close()


def test_who_was_told_travels(redis_url: str) -> None:
    """With label and origins: an audience that one process has told is known in the other."""
    one, two = ledger(redis_url), ledger(redis_url)
    said = derived(SUMMARY, "note-11")
    one.said(said, LATTICE)
    assert two.completion(said.chunk.digest) == said
    one.told(said.chunk.digest, TO_CUSTOMERS)
    found = two.completion(said.chunk.digest)
    assert found is not None
    assert found.was_told(POLICY, CUSTOMER) and found.was_passed(POLICY, CUSTOMER)
    assert found.chunk.origins[0].document == "note-11"


def test_the_freer_of_two_labels_counts_in_every_process(redis_url: str) -> None:
    """As within one process: whoever said it, and whoever looked in between."""
    one, two, three = ledger(redis_url), ledger(redis_url), ledger(redis_url)
    one.said(Derived(chunk(SUMMARY, "staff_only")), LATTICE)
    three.look()
    two.said(Derived(chunk(SUMMARY, "public")), LATTICE)
    for each in (one, two, three):
        found = each.completion(chunk(SUMMARY).digest)
        assert found is not None and found.chunk.label == Label("public")


def test_a_level_of_another_policy_is_strictest(redis_url: str) -> None:
    """Labels travel as they are."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.add([chunk(SECRET, "eyes-only")])
    (found,) = two.attribute([Message("user", SECRET)]).chunks.values()
    assert found.label == Label("eyes-only")
    assert not LATTICE.permits(Audience("staff", "staff_only"), found.label)


def test_no_text_leaves_in_the_clear(redis_url: str) -> None:
    """Neither text nor names of documents stand in Redis."""
    one = ledger(redis_url)
    one.add([chunk(SECRET, "staff_only")])
    one.said(derived(SUMMARY, "note-11"), LATTICE)
    held = repr(redis.Redis.from_url(redis_url).xrange(STREAM))
    assert held.count("b'e'") == 2
    for word in ("LANTERN", "charge", "note-11", "staff_only", "made/up", "customer"):
        assert word not in held


def test_what_is_there_already_is_not_written_again(redis_url: str) -> None:
    """Neither by who wrote it nor by who read it, until much else has been written."""
    one, two = ledger(redis_url), ledger(redis_url)
    note = chunk(SECRET, "staff_only")
    one.add([note])
    one.add([note])
    two.look()
    two.add([note])
    server = redis.Redis.from_url(redis_url)
    assert server.xlen(STREAM) == 1
    two.add([chunk(SECRET, "public")])
    assert server.xlen(STREAM) == 2
    assert one.shared is not None
    one.shared.publish(Derived(chunk(f"{number} and so on")) for number in range(KNOWN))
    one.add([note])
    assert server.xlen(STREAM) == 2 + KNOWN + 1


def test_a_process_is_not_told_what_it_has_told(redis_url: str) -> None:
    """Its own entries come back to it and are not even opened."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.add([chunk(prose(1))])
    two.add([chunk(prose(2))])
    taken: list[Any] = []
    assert one.shared is not None
    one.shared.look(taken.extend)
    assert [entry.text for entry in taken] == [prose(2)]


def test_the_stream_is_capped_and_goes_away_by_itself(redis_url: str) -> None:
    """It keeps about KEPT entries, and has a time to live."""
    one = ledger(redis_url)
    assert one.shared is not None
    half = KEPT // 2 + 250
    for first in (0, half):
        numbers = range(first, first + half)
        one.shared.publish(Derived(chunk(f"{number} and so on")) for number in numbers)
    server = redis.Redis.from_url(redis_url)
    assert KEPT <= server.xlen(STREAM) < KEPT + 200
    assert 0 < server.ttl(STREAM) <= 7 * 24 * 3600


def test_what_was_trimmed_before_it_was_read_is_counted(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest is read all the same."""
    one, two = ledger(redis_url), ledger(redis_url)
    first, *others, last = (chunk(prose(seed), "staff_only") for seed in range(30, 40))
    one.add([first])
    two.look()
    one.add(others)
    redis.Redis.from_url(redis_url).xtrim(STREAM, maxlen=0, approximate=False)
    one.add([last])
    before = failures().get("shared entry: trimmed or deleted before it was read", 0)
    assert known(two, first.text) == {first.digest}
    assert known(two, last.text) == {last.digest}
    assert failures()["shared entry: trimmed or deleted before it was read"] == before + len(others)


def test_a_forged_or_damaged_entry_is_left_out(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is good beside it counts; nothing of what it holds is logged."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.add([chunk(prose(1), "staff_only")])
    two.look()
    server = redis.Redis.from_url(redis_url)
    ((_, good),) = server.xrange(STREAM)
    forged: list[dict[bytes, bytes]] = [
        {**good, b"n": b"2"},
        {**good, b"n": b"x"},
        {**good, b"n": b"9" * 5000},
        {**good, b"n": b"-1"},
        {**good, b"p": b"somebody else"},
        {**good, b"v": b"2"},
        {**good, b"e": good[b"e"][:-1] + bytes([good[b"e"][-1] ^ 1])},
        {**good, b"e": b""},
        {b"x": b"hunter2"},
    ]
    for fields in forged:
        server.xadd(STREAM, dict(fields))
    server.xadd(STREAM, good)  # told a second time by somebody who cannot read it
    one.add([chunk(SECRET, "staff_only")])
    assert known(two, SECRET) == {chunk(SECRET).digest}
    counted = {name: count for name, count in failures().items() if "shared entry" in name}
    assert counted["shared entry: of another version"] >= 1
    assert counted["shared entry: sealed with another key, or changed"] >= 6
    assert "hunter2" not in caplog.text


def test_an_old_entry_that_is_told_again_changes_nothing(redis_url: str) -> None:
    """Who can write to Redis and has no key cannot bring back a label of yesterday."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.add([chunk(SECRET, "public")])
    one.add([chunk(SECRET, "staff_only")])
    two.look()
    server = redis.Redis.from_url(redis_url)
    server.xadd(STREAM, dict(server.xrange(STREAM)[0][1]))
    (found,) = two.attribute([Message("user", SECRET)]).chunks.values()
    assert found.label == Label("staff_only")


def test_a_process_with_another_key_fails_closed(redis_url: str) -> None:
    """Nothing it reads opens, so it cannot know what it must know."""
    one, wrong = ledger(redis_url), ledger(redis_url, bytes(32))
    one.add([chunk(SECRET, "staff_only")])
    with pytest.raises(LedgerUnreachableError, match="key"):
        wrong.look()
    with pytest.raises(LedgerUnreachableError, match="key"):
        wrong.attribute([Message("user", "Hello")])


def test_one_wrong_process_does_not_stop_those_that_can_read_each_other(redis_url: str) -> None:
    """What it writes is left out."""
    one, two, wrong = ledger(redis_url), ledger(redis_url), ledger(redis_url, bytes(32))
    one.add([chunk(prose(1), "staff_only")])
    two.add([chunk(prose(2), "staff_only")])
    wrong.add([chunk(prose(3), "staff_only")])
    assert known(two, prose(1)) and known(one, prose(2))
    assert not known(two, prose(3))


def test_without_redis_the_failure_table_decides(
    environ: dict[str, str], redis_server: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Per audience; and where it comes back, it works again and what waited is told."""
    environ |= {"RAGTRACE_LEDGER": redis_server.url}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    there = Elsewhere(environ)
    clock = Clock()
    try:
        with recording(instrument=False):
            shared = elsewhere.runtime().ledger.shared
            assert shared is not None
            monkeypatch.setattr(shared, "_clock", clock)
            assert not elsewhere.ask("customer", "Hello").blocked
            redis_server.stop()
            refused = elsewhere.ask("customer", "Hello")
            assert refused.blocked and refused.rule == "ledger-unreachable"
            allowed = elsewhere.ask("staff", "Hello", SUMMARY)
            assert not allowed.blocked and allowed.rule == "ledger-unreachable"
            elsewhere.runtime().ledger.add([chunk(SECRET, "staff_only")])
            redis_server.start()
            assert elsewhere.ask("customer", "Hello").blocked  # not asked again so soon
            clock.now += COOL_DOWN
            assert not elsewhere.ask("customer", "Hello").blocked
            assert there.do(elsewhere.ask, "customer", SECRET).blocked
            assert there.do(elsewhere.ask, "customer", SUMMARY).blocked
    finally:
        there.close()


def test_a_search_without_redis_is_decided_by_the_failure_table(
    environ: dict[str, str], redis_server: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retriever raises nothing of ours; its passages are blocked."""
    for name, value in (environ | {"RAGTRACE_LEDGER": redis_server.url}).items():
        monkeypatch.setenv(name, value)
    with recording(instrument=False):
        redis_server.stop()
        (found,) = elsewhere.retrieve("customer", "The branch opens at nine.", "public")
        assert found is not None and found.startswith("[ragtrace:blocked:")


def test_one_call_a_second_waits_for_a_redis_that_has_failed(redis_server: LocalRedis) -> None:
    """The others fail at once, and nothing that was put in is lost."""
    clock = Clock()
    one, two = ledger(redis_server.url, clock=clock), ledger(redis_server.url)
    redis_server.stop()
    with pytest.raises(LedgerUnreachableError, match="ConnectionError"):
        one.look()
    for seed in range(3):
        one.add([chunk(prose(seed), "staff_only")])
        with pytest.raises(LedgerUnreachableError, match="a moment ago"):
            one.look()
    redis_server.start()
    with pytest.raises(LedgerUnreachableError, match="a moment ago"):
        one.look()
    clock.now += COOL_DOWN
    one.look()
    for seed in range(3):
        assert known(two, prose(seed))


def test_a_redis_that_hangs_is_waited_for_once() -> None:
    """It takes the connection and never says a word: nothing is tried again."""
    came: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    came.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        one = ledger(f"redis://127.0.0.1:{server.getsockname()[1]}/0?socket_timeout=60")
        for _ in range(5):
            with pytest.raises(LedgerUnreachableError):
                one.look()
        assert len(came) == 1
        server.shutdown(socket.SHUT_RDWR)
    for each in came:
        each.close()


def test_what_was_in_a_redis_that_lost_it_is_written_again(redis_server: LocalRedis) -> None:
    """When it is next retrieved: nobody can know that it is still there."""
    clock = Clock()
    one = ledger(redis_server.url, clock=clock)
    one.add([chunk(SECRET, "staff_only")])
    redis_server.stop()
    with pytest.raises(LedgerUnreachableError):
        one.look()
    redis_server.start()
    clock.now += COOL_DOWN
    one.add([chunk(SECRET, "staff_only")])
    assert known(ledger(redis_server.url), SECRET)


def test_an_idle_connection_that_was_closed_is_no_failure(redis_url: str) -> None:
    """It is opened again."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.look()
    server = redis.Redis.from_url(redis_url)
    server.client_kill_filter(_type="normal", skipme=True)
    two.add([chunk(SECRET, "staff_only")])
    server.client_kill_filter(_type="normal", skipme=True)
    assert known(one, SECRET)


def test_threads_ask_together(redis_url: str) -> None:
    """Each of many sees what was written before it asked."""
    one, two = ledger(redis_url), ledger(redis_url)
    missed: list[int] = []

    def run(first: int) -> None:
        for seed in range(first, first + 15):
            note = chunk(prose(seed, 30), "staff_only")
            one.add([note])
            if known(two, note.text) != {note.digest}:
                missed.append(seed)

    threads = [threading.Thread(target=run, args=(1000 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not missed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_is_a_process_of_its_own(redis_url: str) -> None:
    """It has its own connection and name; both see what either tells, in any order."""
    one, two = ledger(redis_url), ledger(redis_url)
    one.add([chunk(prose(1), "staff_only")])
    two.look()
    ready, answer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for seed in range(100, 120):
                one.add([chunk(prose(seed, 30), "staff_only")])
            os.write(answer, b"%d" % bool(known(one, prose(1)) and known(one, prose(119, 30))))
        finally:
            os._exit(0)
    for seed in range(200, 220):
        one.add([chunk(prose(seed, 30), "staff_only")])
    assert os.read(ready, 1) == b"1"
    os.waitpid(child, 0)
    for seed in (*range(100, 120), *range(200, 220)):
        assert known(two, prose(seed, 30)), seed
    for seed in range(100, 120):
        assert known(one, prose(seed, 30)), seed


def test_without_a_key_nothing_starts(policy: str, redis_url: str) -> None:
    """No text leaves in the clear."""
    with pytest.raises(ConfigError, match="RAGTRACE_LEDGER_KEY_FILE"):
        ragtrace.init(policy, ledger=redis_url)
    assert current() is None


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(bytes(31)), b"\xff" * 44])
def test_a_key_that_is_none_is_refused(
    policy: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variable and what was expected; not with what was there."""
    path = tmp_path / "key"
    path.write_bytes(content)
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", str(path))
    with pytest.raises(ConfigError, match="RAGTRACE_LEDGER_KEY_FILE: expected base64 of 32 bytes"):
        ragtrace.init(policy, ledger="redis://localhost")


@pytest.mark.parametrize("url", ["http://u:hunter2@x", "redis://u:hunter2@x:port/0", "hunter2"])
def test_a_url_that_is_none_is_refused(
    url: str, policy: str, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold a password, and is not repeated."""
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", key_file)
    with pytest.raises(ConfigError, match="RAGTRACE_LEDGER: expected") as caught:
        ragtrace.init(policy, ledger=url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_redis_that_is_away_does_not_keep_an_application_from_starting(
    policy: str,
    key_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is warned of, without the password; every call fails closed until it answers."""
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", key_file)
    with caplog.at_level(logging.DEBUG):
        ragtrace.init(policy, ledger=f"unix://u:hunter2@{tmp_path}/nowhere.sock", instrument=False)
        assert elsewhere.ask("customer", "Hello").rule == "ledger-unreachable"
        ragtrace.shutdown()
    assert "shared ledger does not answer" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_process_that_starts_by_itself_without_its_key_blocks(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there to be told."""
    monkeypatch.setenv("RAGTRACE_POLICY", policy)
    monkeypatch.setenv("RAGTRACE_LEDGER", "redis://localhost")
    ensure()
    assert elsewhere.ask("staff", "Hello").blocked


def test_a_missing_library_is_said_with_the_extra(
    policy: str, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the pip line that installs it."""
    import sys

    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv("RAGTRACE_LEDGER_KEY_FILE", key_file)
    with pytest.raises(MissingDependencyError, match=r"ragtrace-otel\[redis\]"):
        ragtrace.init(policy, ledger="redis://localhost")


def test_the_password_stands_in_no_record_of_the_settings() -> None:
    """A configuration that is printed shows none."""
    from ragtrace.config import load

    made = load(ledger="redis://u:hunter2@x", environ={})
    assert made.ledger == "redis://u:hunter2@x"
    assert "hunter2" not in repr(made)


def test_init_again_shares_the_same_ledger(here: None) -> None:
    """What waits to be told is not lost; other settings are another ledger."""
    before = elsewhere.runtime().ledger.shared
    ragtrace.init(instrument=False)
    assert elsewhere.runtime().ledger.shared is before
    ragtrace.init(instrument=False, ledger="unix:///nowhere.sock")
    assert elsewhere.runtime().ledger.shared is not before


def test_the_bench_measures_the_ledger(redis_server: LocalRedis) -> None:
    """Each step with its bar, and what is taken in without one."""
    rows = {row.subject: row.bar for row in measure_sharing(3) if row.measure == "median"}
    assert rows == {
        "looking for news, and there are none": BAR_MS,
        "telling of a completion": BAR_MS,
        "telling of 10 chunks": BAR_MS,
        "looking, and taking in 10 chunks": None,
    }


def test_the_bench_goes_on_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a line that says what is missing."""
    notes: list[str] = []

    class Listens(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    monkeypatch.setenv("PATH", "")
    assert list(measure_sharing(3, Listens())) == []
    (note,) = notes
    assert "no redis-server" in note
