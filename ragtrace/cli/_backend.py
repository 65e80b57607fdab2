"""The local back end: a server beside the program, for as long as the program runs."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, Final

from ragtrace.errors import MissingDependencyError, StoreError

__all__ = ["running"]

START_SECONDS: Final = 60.0
"""A start takes 2 to 4 seconds on two cores; on a first run the engine is read from disk."""

STOP_SECONDS: Final = 10.0
"""Queued batches are written in well under a second; after this the server is killed."""


@contextmanager
def running(store: str) -> Iterator[str]:
    """The URL of a server over ``store``: the one that is running, else one of our own.

    Raises:
        MissingDependencyError: The server's packages are not installed.
        StoreError: The server does not start.
    """
    if find_spec("chdb") is None or find_spec("fastapi") is None:
        raise MissingDependencyError("the local back end (fastapi, chdb)", "server")
    from ragtrace.server import server_url

    url = server_url(store)
    if url is not None:
        yield url
        return
    # What it says goes to a file: a pipe that nobody reads would stop it once full.
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "ragtrace", "serve", "--store", store, "--port", "0"),
                *("--grpc-port", "none", "--json"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,  # Ctrl-C is for the program; the server outlives it
        )
        try:
            yield _ready(server, said)
        finally:
            server.terminate()
            try:
                server.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.communicate()


def _ready(server: subprocess.Popen[str], said: IO[str]) -> str:
    """The URL that the server prints once it accepts connections."""
    assert server.stdout is not None  # it was opened as a pipe
    readable, _, _ = select.select([server.stdout], [], [], START_SECONDS)
    line = server.stdout.readline() if readable else ""
    if line:
        return str(json.loads(line)["url"])
    server.kill()
    server.wait()
    said.seek(0)
    last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
    raise StoreError(f"the local back end did not start: {last}")
