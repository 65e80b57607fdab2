"""Speed: spans a second that are on disk when they are acknowledged, and the memory it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ragtrace.store import OWNER, Store
from ragtrace.testing.bench import Listener, Row
from ragtrace.testing.ingest._bodies import Stamp
from ragtrace.testing.ingest._load import Load, sustain
from ragtrace.testing.ingest._server import KEY, LocalServer
from ragtrace.testing.ingest._workload import FLOWS, make_call

__all__ = ["MEMORY_BAR", "RATE_BAR", "SPANS", "measure_speed"]

RATE_BAR: Final = 5_000.0
"""Spans a second."""
MEMORY_BAR: Final = 1_024.0
"""Megabytes."""
GROWTH_BAR: Final = 10.0
"""Percent by which the end of a run may take more memory than its beginning: caches fill."""
MINUTE: Final = 60.0
"""Seconds at either end of a run of which the memory is compared; of a short one, a third."""
SPANS: Final = 512
"""Of one request: what the SDK's batch processor sends at once."""
WARM_SECONDS: Final = 3.0
"""Before anything counts: code and caches are loaded once."""


def measure_speed(directory: Path, seconds: float, listener: Listener) -> Iterator[Row]:
    """Send to a server over a fresh directory, then count what is in it."""
    stamp = Stamp.of([make_call(number) for number in range(SPANS)])
    server = LocalServer(directory)
    server.start()
    try:
        warm = sustain(server.url, stamp, WARM_SECONDS, server.usage, listener, "warming up")
        before = server.usage()
        load = sustain(server.url, stamp, seconds, server.usage, listener, "speed")
        used = server.usage().seconds - before.seconds
    finally:
        server.stop()
    with Store.open(str(directory), KEY) as store:
        stats = store.stats(access=OWNER)
    sent = warm.acknowledged + load.acknowledged
    yield from _rows(load, used)
    yield Row("speed", "acknowledged and not there", "spans", sent - stats.spans, "", at_most=0)
    lost = sent * FLOWS - stats.flows
    yield Row("speed", "acknowledged and not there", "flows", lost, "", at_most=0)


def _rows(load: Load, used: float) -> Iterator[Row]:
    short = load.seconds < 3 * MINUTE
    share, end = (1 / 3, "third") if short else (MINUTE / load.seconds, "minute")
    first, last = load.mean_memory(0, share), load.mean_memory(1 - share, 1)
    most = max(usage.megabytes for _, usage in load.looks)
    waits = sorted(load.waits)
    subject = f"OTLP/HTTP, spans with {FLOWS} flows"
    yield Row("speed", subject, "spans a second", load.rate, "", at_least=RATE_BAR)
    yield Row("speed", subject, "acknowledged in, median", waits[len(waits) // 2] * 1e3, "ms")
    yield Row("speed", subject, "p99", waits[int(len(waits) * 0.99)] * 1e3, "ms")
    yield Row("speed", subject, "processor a span", used / load.acknowledged * 1e6, "us")
    yield Row("speed", subject, "turned away", load.refused, "")
    yield Row("speed", "memory of the server", "most", most, "MB", at_most=MEMORY_BAR)
    yield Row("speed", "memory of the server", f"first {end}", first, "MB")
    yield Row("speed", "memory of the server", f"last {end}", last, "MB")
    growth = (last / first - 1) * 100
    yield Row("speed", "memory of the server", "growth", growth, "%", at_most=GROWTH_BAR)
