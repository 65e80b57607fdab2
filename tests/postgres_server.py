"""A PostgreSQL for tests: one that is reachable, else the local binary, else a container."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest

SERVER = os.environ.get("RAGTRACE_TEST_POSTGRES_URL")  # read before tests clean up
IMAGE = "pgvector/pgvector:pg16"


@cache
def postgres_url() -> str:
    """URL of a database that a test may make tables in, until the process ends.

    Where there is none the test that asks is skipped.
    """
    if SERVER:
        return SERVER
    local = shutil.which("initdb") and shutil.which("postgres")
    server = _local() if local else _contained()
    url = server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return url


@cache
def vector_type() -> str:
    """``vector``, or where PostgreSQL has no pgvector ``cube``, which has the same operator."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        for name in ("vector", "cube"):
            with suppress(psycopg.Error):  # not there, or another process is making it now
                connection.execute(f"create extension if not exists {name}")
            known = "select 1 from pg_extension where extname = %s"
            if connection.execute(known, (name,)).fetchone():
                return name
    pytest.skip("PostgreSQL has neither the extension vector nor the extension cube")


@contextmanager
def _local() -> Iterator[str]:
    """A server that listens on a socket in a directory of its own, and keeps nothing."""
    # PostgreSQL refuses to be run by root.
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="ragtrace-pg-"))
    data = home / "data"
    if user:
        shutil.chown(home, user)
    try:
        made = ("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync")
        subprocess.run(made, check=True, capture_output=True, user=user)
        settings = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={home}")
        process = subprocess.Popen(
            ("postgres", "-D", str(data), *settings, "-c", "fsync=off"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
        )
        try:
            ready = ("pg_isready", "-h", str(home), "-t", "20")
            for _ in range(200):
                if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
                    break
                try:
                    process.wait(0.05)
                    pytest.skip("the local PostgreSQL does not start")
                except subprocess.TimeoutExpired:
                    continue
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            process.send_signal(signal.SIGINT)  # at once, whoever is connected
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _contained() -> Iterator[str]:
    containers = pytest.importorskip(
        "testcontainers.postgres", reason="neither PostgreSQL nor testcontainers is installed"
    )
    try:
        container = containers.PostgresContainer(IMAGE, driver=None).start()
    except Exception as error:
        pytest.skip(f"no PostgreSQL is installed, and no container starts: {type(error)}")
    try:
        yield container.get_connection_url()
    finally:
        container.stop()
