"""LocalServer: ``ragtrace serve`` in a process of its own, measured from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ragtrace.config import VAULT_KEY
from ragtrace.errors import StoreError

__all__ = ["KEY", "PROTOBUF", "LocalServer", "Usage", "connect", "post", "usage"]

KEY: Final = bytes(range(32))
"""Seals the texts of a bench; nobody's secret."""
PROTOBUF: Final = "application/x-protobuf"
STOP_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 120.0
"""A server that takes longer than this to acknowledge is reported as broken, not as slow."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process takes: megabytes of memory, seconds of the processor."""

    megabytes: float
    seconds: float


class LocalServer:
    """A server over ``directory`` that can be stopped, and killed as a crash would.

    Attributes:
        url: Where it takes telemetry.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> float:
        """Start it, and give the seconds until it accepts connections.

        Raises:
            StoreError: It does not start; the message is what it said last.
        """
        import base64

        began = time.perf_counter()
        key = {VAULT_KEY.variable: base64.b64encode(KEY).decode("ascii")}
        command = ["-m", "ragtrace", "serve", "--store", str(self._directory), "--json"]
        with tempfile.TemporaryFile("w+") as said:
            self._process = subprocess.Popen(
                [sys.executable, *command, "--port", "0", "--grpc-port", "none"],
                env={**_environment(), **key},
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            assert self._process.stdout is not None  # it was opened as a pipe
            line = self._process.stdout.readline()
            if not line:
                said.seek(0)
                last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
                raise StoreError(f"the server does not start: {last}")
        self.url = json.loads(line)["url"]
        return time.perf_counter() - began

    def kill(self) -> None:
        """End it at once, as the kernel would when memory is short."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it end in its own time; nothing where it does not run."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def usage(self) -> Usage:
        """What it takes now."""
        assert self._process is not None
        return usage(self._process.pid)


def usage(pid: int) -> Usage:
    """What the process takes now; zeros where the system does not say or it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        ticks = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return Usage(0.0, 0.0)
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return Usage(int(kilobytes) / 1024, (int(ticks[11]) + int(ticks[12])) / _TICKS)


def connect(url: str) -> HTTPConnection:
    """A connection that is kept open."""
    parts = urlsplit(url)
    return HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)


def post(connection: HTTPConnection, path: str, body: bytes) -> int:
    """The status of one export request."""
    connection.request("POST", path, body, {"content-type": PROTOBUF})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _environment() -> dict[str, str]:
    """Ours, without what would make the server another than the one that is measured."""
    return {name: said for name, said in os.environ.items() if not name.startswith("RAGTRACE_")}
