"""Phoenix: another tracing back end beside ours, given the same calls in the names it speaks."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from ragtrace.errors import ConfigError
from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.ingest._bodies import Stamp, span_ids, trace_body
from ragtrace.testing.ingest._load import sustain
from ragtrace.testing.ingest._server import connect, post, usage
from ragtrace.testing.ingest._workload import Call, make_call
from ragtrace.wire import AttributeValue, names

__all__ = ["PEER", "measure_phoenix", "phoenix_disk", "phoenix_python"]

PEER: Final = "RAGTRACE_TEST_PHOENIX"
"""Variable that names a Python with arize-phoenix."""
SPANS: Final = 64
"""Of one request: what is acknowledged waits in its queue, and larger ones fill it at once."""
START_SECONDS: Final = 120.0
CATCH_UP_SECONDS: Final = 60.0
"""How long what was acknowledged may take until it can be read."""


def phoenix_python() -> str | None:
    """The Python that has it, where one is named."""
    return os.environ.get(PEER) or None


def measure_phoenix(
    python: str, directory: Path, seconds: float, listener: Listener
) -> Iterator[Row]:
    """Spans a second that it acknowledges, and that can be read."""
    calls = [make_call(number) for number in range(SPANS)]
    spoken = [_spoken(call) for call in calls]
    words = [[str(call.attributes[names.SESSION])] for call in calls]
    times = [(call.start_ns, call.end_ns) for call in calls]
    stamp = Stamp(trace_body(spoken), [span_ids(call) for call in calls], words, times)
    with _Phoenix(python, directory) as server:
        load = sustain(
            server.url, stamp, seconds, lambda: usage(server.pid), listener, "speed of Phoenix"
        )
        readable = server.spans()
        caught_up = server.settle(load.acknowledged)
        most = max(look.megabytes for _, look in load.looks)
        disk = server.size() / max(1, server.spans())
    subject = "Phoenix, the same calls"
    yield Row("speed", subject, "spans a second", load.rate, "")
    yield Row("speed", subject, "readable a second", readable / load.seconds, "")
    yield Row("speed", subject, "acknowledged, not readable a minute later", caught_up, "")
    yield Row("speed", subject, "turned away", load.refused, "")
    yield Row("speed", subject, "memory, most", most, "MB")
    yield Row("speed", subject, "on disk", disk, "B a span")


def phoenix_disk(python: str, directory: Path, calls: int, listener: Listener) -> Iterator[Row]:
    """Bytes on disk of a call; the texts are in its spans."""
    with _Phoenix(python, directory) as server:
        connection = connect(server.url)
        for first in range(0, calls, SPANS):
            listener.progress("disk of Phoenix", first, calls)
            some = range(first, min(calls, first + SPANS))
            body = trace_body(_spoken(make_call(number)) for number in some)
            while post(connection, "/v1/traces", body) != 200:
                time.sleep(0.5)
        connection.close()
        server.settle(calls)
        yield Row("disk", "Phoenix, the same calls", "stored", server.size() / calls, "B a call")


class _Phoenix:
    """Its server, on SQLite as it comes."""

    def __init__(self, python: str, directory: Path) -> None:
        ports = [_free_port() for _ in range(2)]
        self.url: Final = f"http://127.0.0.1:{ports[0]}"
        self._file = directory / "phoenix.db"
        directory.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [python, "-m", "phoenix.server.main", "serve"],
            env=os.environ
            | {
                "PHOENIX_WORKING_DIR": str(directory),
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(ports[0]),
                "PHOENIX_GRPC_PORT": str(ports[1]),
                "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid: Final = self._process.pid

    def __enter__(self) -> _Phoenix:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if post(connect(self.url), "/v1/traces", b"") == 200:
                    return self
            except OSError:
                time.sleep(0.2)
        self.__exit__()
        raise ConfigError(f"{PEER}: Phoenix does not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def spans(self) -> int:
        """Spans that can be read."""
        uri = f"file:{self._file}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            return int(database.execute("SELECT count(*) FROM spans").fetchone()[0])

    def settle(self, expected: int) -> int:
        """Wait until ``expected`` spans can be read, and give how many cannot in the end."""
        until = time.monotonic() + CATCH_UP_SECONDS
        while (missing := expected - self.spans()) > 0 and time.monotonic() < until:
            time.sleep(0.5)
        return missing

    def size(self) -> int:
        """Bytes of its database, with what is not yet in the main file."""
        return sum(file.stat().st_size for file in self._file.parent.glob("phoenix.db*"))


def _spoken(call: Call) -> Call:
    """The same call as OpenInference writes it: texts on the span, documents by id and label."""
    said: dict[str, AttributeValue] = {
        names.OI_KIND: "LLM",
        names.OI_MODEL: call.attributes[names.GEN_AI_REQUEST_MODEL],
        names.OI_PROVIDER: call.attributes[names.GEN_AI_PROVIDER],
        names.SESSION: call.attributes[names.SESSION],
        names.USER: call.attributes[names.USER],
        names.OI_PROMPT_TOKENS: call.attributes[names.GEN_AI_INPUT_TOKENS],
        names.OI_COMPLETION_TOKENS: call.attributes[names.GEN_AI_OUTPUT_TOKENS],
        "output.value": call.completion,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": call.completion,
    }
    for place, message in enumerate(call.prompt.messages):
        said[f"llm.input_messages.{place}.message.role"] = message.role
        said[f"llm.input_messages.{place}.message.content"] = message.text
    for place, chunk in enumerate(call.chunks):
        about = {"source": chunk.source.id, "level": chunk.label.level, "uri": chunk.document.uri}
        said[names.OI_DOCUMENT_ID.format(i=place)] = chunk.id
        said[names.OI_DOCUMENT_METADATA.format(i=place)] = json.dumps(about)
    return replace(call, attributes=said)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
