"""Export: nothing is lost that need not be, and nobody waits for it."""

from __future__ import annotations

import base64
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

from ragtrace.capture._vault import Vault
from ragtrace.capture.export import _delivery, _spool, log_processor, lost_since, trace_processor
from ragtrace.config import load
from ragtrace.errors import ConfigError
from tests.capture.export.backend import backend

Said = Callable[[str], None]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests do not wait as long as an application would; what others lost is not theirs."""
    monkeypatch.setattr(_delivery, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(_delivery, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(_delivery, "TAKE_OVER_SECONDS", 0.2)
    lost_since()
    yield


@contextmanager
def tracing(url: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Iterator[Any]:
    """A provider whose spans go to ``url``, and which is shut down afterwards."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(trace_processor(load(**more)))
    try:
        yield provider
    finally:
        provider.shutdown()


def end(provider: TracerProvider, *names: str) -> None:
    for name in names:
        provider.get_tracer("test").start_span(name).end()


def files(spool: Path) -> list[Path]:
    """Batches on disk; directories may come and go meanwhile."""
    found = (Path(folder, name) for folder, _, names in os.walk(spool) for name in names)
    return sorted(path for path in found if path.name[0].isdigit())


def test_spans_arrive_whole_and_in_order(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with backend() as end_of_it, tracing(end_of_it.url, monkeypatch) as provider:
        names = [f"span {number}" for number in range(1_000)]
        end(provider, *names)
        assert provider.force_flush()
        assert end_of_it.spans == names
    assert files(spool) == []


def test_texts_arrive_as_well(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with backend() as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(log_processor(load()))
        Vault(provider.get_logger("ragtrace")).put("chunk", "ab" * 32, "public", "the text")
        provider.shutdown()
        assert there.texts == ["the text"]


def test_headers_and_compression_are_those_of_the_standard_exporter(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with backend() as there, tracing(there.url, monkeypatch) as provider:
        end(provider, "one")
        provider.force_flush()
        [(path, headers, _)] = there.requests
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer abc"
    assert (headers["content-encoding"], headers["content-type"]) == (
        "gzip",
        "application/x-protobuf",
    )


def test_what_a_dead_back_end_missed_is_sent_when_it_is_back(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        for number in range(5):
            end(provider, f"span {number}")
            provider.force_flush(1)
        assert files(spool)
        with backend(port=nobody) as there:
            assert there.expect(5) == [f"span {number}" for number in range(5)]


def test_what_one_process_left_is_sent_by_the_next_oldest_first(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{nobody}"
    with tracing(url, monkeypatch) as provider:
        end(provider, "old")
    assert len(files(spool)) == 1
    with backend(port=nobody) as there, tracing(url, monkeypatch) as provider:
        end(provider, "new")
        assert there.expect(2) == ["old", "new"]
        provider.force_flush()
        assert files(spool) == []


def test_batches_are_not_sent_to_another_destination_or_with_another_token(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=one")
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        end(provider, "of the one")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=other")
    with backend(port=nobody) as there:
        with tracing(there.url, monkeypatch) as provider:
            end(provider, "of the other")
            provider.force_flush()
        assert there.spans == ["of the other"]
    assert len(files(spool)) == 1


def test_nobody_waits_for_a_slow_back_end_and_nothing_of_it_is_lost(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend(seconds=0.5) as there, tracing(there.url, monkeypatch) as provider:
        for number in range(3_000):
            end(provider, f"span {number}")
        there.seconds = 0
        assert len(there.expect(3_000)) == 3_000
    assert lost_since() == 0


def test_files_can_be_read_by_their_owner_only(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        end(provider, "one")
        provider.force_flush(1)
        [batch] = files(spool)
        assert stat.S_IMODE(batch.stat().st_mode) == 0o600
        for directory in (batch.parent, batch.parent.parent, spool):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_others_can_write_to_is_not_used(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir()
    spool.chmod(0o777)
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        end(provider, "one")
        provider.force_flush(1)
        assert files(spool) == []
    assert "not this user's alone" in caplog.text


def test_texts_wait_in_memory_where_nothing_seals_them(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{nobody}")
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(log_processor(load()))
    Vault(provider.get_logger("ragtrace")).put("chunk", "ab" * 32, "public", "the text")
    provider.force_flush(1)
    assert files(spool) == []
    provider.shutdown()
    assert lost_since() == 1


def test_what_is_sealed_is_read_by_who_has_the_key_only(
    spool: Path, nobody: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_bytes(base64.b64encode(b"k" * 32))
    monkeypatch.setenv("RAGTRACE_SPOOL_KEY_FILE", str(key))
    url = f"http://127.0.0.1:{nobody}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(log_processor(load()))
    Vault(provider.get_logger("ragtrace")).put("chunk", "ab" * 32, "public", "the text")
    provider.shutdown()
    [batch] = files(spool)
    assert b"the text" not in batch.read_bytes()
    with backend(port=nobody) as there:
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(log_processor(load()))
        Vault(provider.get_logger("ragtrace")).put("chunk", "cd" * 32, "public", "another")
        provider.force_flush()
        assert there.texts == ["the text", "another"]
        provider.shutdown()


def test_a_key_that_cannot_be_read_is_said_at_once(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGTRACE_SPOOL_KEY_FILE", "/nowhere")
    with pytest.raises(ConfigError, match="RAGTRACE_SPOOL_KEY_FILE"):
        trace_processor(load())


def test_beyond_its_bound_the_oldest_is_evicted_counted_and_logged(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAGTRACE_SPOOL_BYTES", "200000")
    url = f"http://127.0.0.1:{nobody}"
    with tracing(url, monkeypatch) as provider:
        for number in range(100):
            end(provider, f"span {number:03d} {'x' * 400}")
            provider.force_flush(1)
        assert sum(path.stat().st_blocks * 512 for path in files(spool)) <= 200_000
    kept = len(files(spool))
    assert 10 < kept < 60
    assert lost_since() == 100 - kept
    assert "the spool is full" in caplog.text
    monkeypatch.setenv("RAGTRACE_SPOOL_BYTES", "1000000")
    with backend(port=nobody) as there, tracing(url, monkeypatch) as provider:
        end(provider, "new")
        there.expect(kept + 1)
        assert [name[:8] for name in there.spans[:kept]] == [
            f"span {number:03d}" for number in range(100 - kept, 100)
        ]


def test_the_next_request_says_what_was_lost() -> None:
    from ragtrace.capture.export._losses import lose
    from ragtrace.testing import recording
    from ragtrace.wire import names

    lose("traces", 3, "a test")
    with recording() as recorded:
        import ragtrace

        for _ in range(2):
            with ragtrace.request():
                pass
    first, second = recorded.spans
    assert first.attributes[names.EXPORT_LOST] == 3
    assert names.EXPORT_LOST not in second.attributes


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_what_the_disk_does_not_take_is_held_in_memory(
    how: str, spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "full":

        def write(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(_spool.Directory, "write", write)
    else:
        # Root may write anywhere: a file in the place of the directory stops it too.
        spool.write_text("")
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        end(provider, "one", "two")
        provider.force_flush(1)
        with backend(port=nobody) as there:
            assert there.expect(2) == ["one", "two"]
    assert lost_since() == 0


def test_no_more_is_held_in_memory_than_is_said(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_spool, "HELD_BYTES", 3_000)
    monkeypatch.setenv("RAGTRACE_SPOOL", "off")
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        for number in range(20):
            end(provider, f"{number} {'x' * 400}")
            provider.force_flush(1)
        assert 10 < lost_since() < 20
    assert 0 < lost_since() < 10


def test_a_back_end_that_asks_for_time_is_given_it(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend(status=429, headers={"retry-after": "1"}) as there:
        with tracing(there.url, monkeypatch) as provider:
            end(provider, "one")
            provider.force_flush(300)
            there.status = 200
            assert there.expect(1) == ["one"]
    assert there.attempts == 2
    assert there.times[1] - there.times[0] >= 1


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_batch_is_kept_where_the_way_there_is_at_fault(
    status: int, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend(status=status) as there:
        with tracing(there.url, monkeypatch) as provider:
            end(provider, "one")
            provider.force_flush(300)
            there.status = 200
            assert there.expect(1) == ["one"]
    assert lost_since() == 0


def test_of_what_is_sent_together_only_the_batch_that_is_refused_is_lost(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with tracing(f"http://127.0.0.1:{nobody}", monkeypatch) as provider:
        for name in ("one", "broken", "three"):
            end(provider, name)
            provider.force_flush(1)
        with backend(port=nobody, refuse=b"broken") as there:
            assert there.expect(2) == ["one", "three"]
            provider.force_flush()
    assert lost_since() == 1
    assert "the back end answered 400" in caplog.text


def test_what_a_back_end_takes_in_part_is_counted_and_not_sent_again(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    with backend(answer=answer.SerializeToString()) as there:
        with tracing(there.url, monkeypatch) as provider:
            end(provider, "one", "two", "three")
            provider.force_flush()
    assert there.attempts == 1
    assert lost_since() == 2


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_exit_takes_less_than_five_seconds_whatever_the_back_end_does(
    seconds: float, spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend(seconds=seconds, status=503 if not seconds else 200) as there:
        started = time.monotonic()
        with tracing(there.url, monkeypatch) as provider:
            end(provider, "one")
        assert time.monotonic() - started < 5
    assert len(files(spool)) == 1


def test_what_is_put_while_threads_cannot_start_is_sent_at_the_end(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    with backend() as there:
        with tracing(there.url, monkeypatch) as provider:

            def start(self: threading.Thread) -> None:
                if self.name.startswith("ragtrace"):
                    raise RuntimeError("can't start new thread at interpreter shutdown")
                before(self)

            before = threading.Thread.start
            monkeypatch.setattr(threading.Thread, "start", start)
            end(provider, "one")
            provider.shutdown()
        assert there.spans == ["one"]


APP = """
import os, sys, time, threading
from opentelemetry.sdk.trace import TracerProvider
from ragtrace.capture.export import trace_processor
from ragtrace.config import load
provider = TracerProvider()
provider.add_span_processor(trace_processor(load()))
tracer = provider.get_tracer("app")
"""


def run(code: str, url: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    return subprocess.Popen(
        [sys.executable, "-c", APP + code], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_process_that_is_killed_loses_what_is_younger_than_the_delay_only(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
for number in range(10 ** 9):
    tracer.start_span(f"span {number}").end()
    print(number, flush=True)
    time.sleep(0.001)
"""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    app = run(code, f"http://127.0.0.1:{nobody}")
    assert app.stdout is not None
    made = 0
    while len(files(spool)) < 3:
        made = int(app.stdout.readline()) + 1
    durable = sum(int(path.name.rpartition("-")[2]) for path in files(spool))
    app.send_signal(signal.SIGKILL)
    app.wait()
    # The last line may be behind: what was made since was made within the delay.
    assert 0 < durable <= made + 100
    with backend(port=nobody) as there, tracing(there.url, monkeypatch) as provider:
        end(provider, "another process")
        arrived = there.expect(durable + 1)
    assert [name for name in arrived if name.startswith("span")][:durable] == [
        f"span {number}" for number in range(durable)
    ]


def test_a_script_that_ends_sends_what_it_made(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend() as there:
        app = run("tracer.start_span('one').end()", there.url)
        assert app.wait(60) == 0
        assert there.spans == ["one"]


FORKS = """
tracer.start_span("before").end()
provider.force_flush()
tracer.start_span("of the parent").end()
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for place in range(50):
            tracer.start_span(f"child {number} {place}").end()
        provider.shutdown()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
tracer.start_span("after").end()
"""


def test_a_fork_has_its_own_queue_and_threads_and_sends_nothing_twice(spool: Path) -> None:
    with backend() as there:
        app = run(FORKS, there.url)
        assert app.wait(60) == 0
        names = there.spans
    children = {f"child {number} {place}" for number in range(3) for place in range(50)}
    assert sorted(names) == sorted({"before", "of the parent", "after"} | children)


def test_several_processes_share_a_directory_and_send_nothing_twice(
    spool: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{nobody}"
    for number in range(5):
        with tracing(url, monkeypatch) as provider:
            end(provider, f"left {number}")
    code = "tracer.start_span('own').end(); time.sleep(1)"
    with backend(port=nobody) as there:
        apps = [run(code, url) for _ in range(3)]
        assert [app.wait(60) for app in apps] == [0, 0, 0]
        assert sorted(there.spans) == sorted([f"left {n}" for n in range(5)] + ["own"] * 3)
    assert files(spool) == []


def test_threads_may_end_spans_at_the_same_time(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    with backend() as there, tracing(there.url, monkeypatch) as provider:

        def work(number: int) -> None:
            end(provider, *[f"{number} {place}" for place in range(200)])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert provider.force_flush()
        assert len(set(there.spans)) == len(there.spans) == 1_600
    assert lost_since() == 0
