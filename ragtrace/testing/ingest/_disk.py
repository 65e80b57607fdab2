"""Disk: what a model call takes, with its flows and its texts, once the engine has merged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ragtrace.errors import StoreError
from ragtrace.store import OWNER, Stats, Store
from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.ingest._bodies import trace_body
from ragtrace.testing.ingest._server import KEY, LocalServer, connect, post
from ragtrace.testing.ingest._workload import FLOWS, make_call
from ragtrace.wire import logs_request

__all__ = ["BYTES_BAR", "measure_disk"]

BYTES_BAR: Final = 1_024.0
SPANS: Final = 512
QUIET_SECONDS: Final = 6.0
"""When the engine has merged nothing for so long, it is done."""
MERGE_SECONDS: Final = 90.0


def measure_disk(directory: Path, calls: int, listener: Listener) -> Iterator[Row]:
    """Store ``calls`` with all their texts, let the engine merge, and look at its files."""
    server = LocalServer(directory)
    server.start()
    filed: set[str] = set()
    length = 0
    try:
        connection = connect(server.url)
        for first in range(0, calls, SPANS):
            listener.progress("disk", first, calls)
            made = [make_call(number) for number in range(first, min(calls, first + SPANS))]
            texts = {t.digest: t for call in made for t in call.texts if t.digest not in filed}
            filed.update(texts)
            body, logs = trace_body(made), logs_request(list(texts.values()))
            length += len(body) + len(logs)
            for path, sent in (("/v1/traces", body), ("/v1/logs", logs)):
                if post(connection, path, sent) != 200:
                    raise StoreError(f"the server does not take {path} in")
        connection.close()
    finally:
        server.stop()
    with Store.open(str(directory), KEY) as store:
        stats = _merged(store)
    subject = f"{calls} model calls with {FLOWS} flows, {stats.contents} texts"
    yield Row("disk", subject, "as sent", length / calls, "B a call")
    yield Row("disk", subject, "stored", stats.bytes_on_disk / calls, "B a call", at_most=BYTES_BAR)


def _merged(store: Store) -> Stats:
    stats, quiet = store.stats(access=OWNER), time.monotonic()
    until = quiet + MERGE_SECONDS
    while time.monotonic() < min(until, quiet + QUIET_SECONDS):
        time.sleep(0.5)
        now = store.stats(access=OWNER)
        if now.bytes_on_disk != stats.bytes_on_disk:
            stats, quiet = now, time.monotonic()
    return stats
