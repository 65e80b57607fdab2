"""Process: a worker, and what it is told to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Final

from ragtrace.errors import RagtraceError

__all__ = ["WorkerProcess"]

STOP_SECONDS: Final = 60.0


class WorkerProcess:
    """One way of tracing the application, in a process of its own.

    Args:
        tracer: Its name.
        framework: ``langchain`` or ``llamaindex``.
        k: Passages that a search brings.
        url: Where telemetry goes; ``None`` for nowhere.
        spool: Where ragtrace keeps what it cannot send; its own directory, unless given.
    """

    def __init__(
        self, tracer: str, framework: str, k: int, url: str | None, spool: str | None = None
    ) -> None:
        said = json.dumps({"tracer": tracer, "framework": framework, "k": k, "url": url})
        self._spool = None
        if spool is None:
            self._spool = tempfile.TemporaryDirectory(prefix="ragtrace-bench-")
            spool = self._spool.name
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "RAGTRACE_", "LANGFUSE_", "LANGSMITH_", "LANGCHAIN_"))
        }
        # Nobody's usage statistics are part of what is measured, or leave this machine.
        environment |= {"TRACELOOP_TELEMETRY": "false", "LANGSMITH_TRACING": "false"}
        environment["RAGTRACE_SPOOL"] = f"{spool}/spool"
        self._tracer = tracer
        # A file: a pipe that nobody reads would stop it.
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ragtrace.testing.overhead._worker", said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=environment,
        )
        self._hear()

    def do(self, what: str, **more: Any) -> dict[str, float]:
        """Have it do ``what``, and give what it says of that.

        Raises:
            RagtraceError: It has ended; the message is what it said last.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def stop(self) -> None:
        """End it, as an application ends: it sends what is left."""
        self._process.communicate(timeout=STOP_SECONDS)
        self._said.close()
        if self._spool is not None:
            self._spool.cleanup()

    def _hear(self) -> dict[str, float]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("{"):  # a peer may greet on its output
                heard: dict[str, float] = json.loads(line)
                return heard
        self._process.wait()
        self._said.seek(0)
        last = self._said.read().strip().splitlines()[-1:]
        raise RagtraceError(f"bench: the application under {self._tracer} ended: {' '.join(last)}")
