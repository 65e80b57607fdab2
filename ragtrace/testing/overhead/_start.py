"""Start: what ``import ragtrace`` takes beyond what the application imports anyway."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Final

from ragtrace.testing.bench import Listener, Row

__all__ = ["measure_import"]

BAR_MS: Final = 50.0
"""That an application starts later by."""
UNWANTED: Final = ("fastapi", "chdb", "clickhouse_connect", "langchain_core", "llama_index", "grpc")
"""Web stacks, engines and frameworks, of which none may be imported."""

_PROGRAM: Final = """
import sys, time
import numpy, opentelemetry.sdk._logs, opentelemetry.sdk.trace.export
import opentelemetry.instrumentation.instrumentor
import opentelemetry.exporter.otlp.proto.common.trace_encoder
import opentelemetry.exporter.otlp.proto.common._log_encoder
before = time.process_time()
import ragtrace
took = time.process_time() - before
ragtrace.init(instrument=False)
ready = time.process_time() - before
unwanted = {unwanted!r}
print(took * 1000, ready * 1000, sum(name in sys.modules for name in unwanted))
"""


def measure_import(rounds: int, told: Listener) -> list[Row]:
    """Milliseconds of the processor to the import, and until ragtrace runs.

    Beside them, how many modules come along that must not.
    """
    took: list[float] = []
    ready: list[float] = []
    found = 0.0
    for number in range(rounds):
        told.progress("import", number, rounds)
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(unwanted=UNWANTED)],
            capture_output=True,
            text=True,
            check=True,
        )
        imported, started, unwanted = map(float, done.stdout.split())
        took.append(imported)
        ready.append(started)
        found = max(found, unwanted)
    return [
        Row("import", "ragtrace", "time", statistics.median(took), "ms", at_most=BAR_MS),
        Row("import", "ragtrace", "and init", statistics.median(ready), "ms"),
        Row("import", "ragtrace", "unwanted", found, "modules", at_most=0.0),
    ]
