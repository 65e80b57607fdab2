"""Redis: a server of one's own, for as long as a test or a measurement lasts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from ragtrace.errors import ConfigError

__all__ = ["LocalRedis"]

PATIENCE: Final = 10.0
"""Seconds in which a server starts, on a machine that has other things to do."""


class LocalRedis:
    """A ``redis-server`` that only this machine's user can reach, by a socket; keeps nothing.

    Attributes:
        url: What ``RAGTRACE_LEDGER`` takes.
    """

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="ragtrace-")
        self._socket = Path(self._home.name) / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url: Final = f"unix://{self._socket}"

    @staticmethod
    def installed() -> bool:
        """Whether there is a ``redis-server`` to start."""
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        """Start it; where it was stopped, it comes back with nothing in it.

        Raises:
            ConfigError: It is not installed, or does not start.
        """
        program = shutil.which("redis-server")
        if program is None:
            raise ConfigError("redis-server is not installed")
        settings = ("--port", "0", "--unixsocket", str(self._socket), "--save", "")
        self._process = subprocess.Popen(
            [program, *settings, "--dir", self._home.name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while not self._socket.exists():
            if time.monotonic() > until or self._process.poll() is not None:
                raise ConfigError("redis-server does not start")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as a machine that is switched off would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._home.cleanup()
