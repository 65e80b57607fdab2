"""Engine: the clients that reach ClickHouse, in this process or on a server."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ragtrace.errors import MissingDependencyError, StoreError

__all__ = ["Address", "Engine", "explained"]

DATABASE: Final = "ragtrace"
IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
CONFIG: Final = Path(__file__).with_name("embedded.xml")
READERS: Final = 4
"""Questions answered at once; the engine itself uses every core for each."""
MAX_READ_SECONDS: Final = 60
"""A question that runs longer is stopped, so that it cannot hold up ingest for ever."""
PER_THREAD: Final = "max_threads_min_free_memory_per_thread"
"""A setting of the engine; 0 is without limit."""
KEYRING: Final = ".keyring"
"""How the directory of a store's keyrings, and each of these, ends."""
LOCK_FILE: Final = "status"
"""The engine's own lock, held for as long as it runs."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        path: Directory of an embedded store; ``None`` for a server.
        replicated: Whether tables are made replicated, on a server that has a keeper.
        cluster: On which cluster they are made; empty for the one server.
        keyring: File of the keys of texts, never within the engine's directory; ``None`` for a
            server's, unless it is said.
        options: Arguments of the server's client, the password among them.
    """

    database: str
    path: Path | None = None
    replicated: bool = False
    cluster: str = ""
    keyring: Path | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``chdb:///abs``, ``chdb://relative``, a path, or ``clickhouse://user:pw@host/db``.

        ``?database=NAME`` names another database than ``ragtrace``; ``clickhouses`` is TLS;
        ``?replicated=1`` creates replicated tables on a server that has a keeper, and
        ``?cluster=NAME`` does so on all servers of a cluster. ``?keyring=DIR`` names the directory
        with the keyrings of databases, which for an embedded store is beside its own.

        Raises:
            StoreError: It is none of these; the message does not repeat a password.
        """
        scheme, found, _ = url.partition("://")
        if not found:
            path = Path(url).expanduser().absolute()
            return cls(DATABASE, path, keyring=_keyring(path, DATABASE, {}))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise StoreError("store: expected a host and a port from 1 to 65535") from None
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if scheme == "chdb":
            path = Path(unquote(parts.netloc + parts.path)).expanduser().absolute()
            database = _database(query.get("database", DATABASE))
            return cls(database, path, keyring=_keyring(path, database, query))
        if scheme in ("clickhouse", "clickhouses"):
            database = _database(query.get("database") or parts.path.strip("/") or DATABASE)
            return cls(
                database,
                replicated=query.get("replicated") == "1" or "cluster" in query,
                cluster=_database(query["cluster"]) if "cluster" in query else "",
                keyring=_keyring(None, database, query),
                options=_server_options(parts, port),
            )
        raise StoreError(f"store: {scheme!r}: expected chdb, clickhouse, clickhouses or a path")

    def __str__(self) -> str:
        """Name the place, without user or password."""
        return str(self.path or f"{self.options['host']}/{self.database}")


def _limits(address: Address) -> dict[str, Any]:
    """What a reading client is held to, for ever."""
    limits = {"max_execution_time": MAX_READ_SECONDS, "readonly": 1}
    # The embedded engine gives a question one core for each GB that is free, of the 2 it may take.
    return limits if address.path is None else {PER_THREAD: 0, **limits}


def _keyring(store: Path | None, database: str, query: Mapping[str, str]) -> Path | None:
    """Where a database's keyring is; beside the store, so that a copy of that has no keys."""
    if "keyring" in query:
        return Path(query["keyring"]).expanduser().absolute() / f"{database}{KEYRING}"
    if store is None:
        return None
    return store.with_name(f"{store.name}{KEYRING}") / f"{database}{KEYRING}"


def _database(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise StoreError("store: database or cluster: expected a letter, then letters, digits or _")
    return name


def _server_options(parts: SplitResult, port: int | None) -> dict[str, Any]:
    secure = parts.scheme == "clickhouses"
    return {
        "host": parts.hostname or "localhost",
        "port": port or (8443 if secure else 8123),
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or ""),
        "secure": secure,
        "autogenerate_session_id": False,  # a session allows one query at a time
    }


class Engine:
    """One writing client and a few reading ones, all on the same database.

    INVARIANT: a reading client was opened ``readonly=1`` with a time limit, and never changes.

    Raises:
        MissingDependencyError: The engine is not installed.
        StoreError: It cannot be opened, for a reason the message gives.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._turn = threading.Lock()
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(READERS):
            self._idle.put(None)  # opened when it is first needed
        with explained(f"store {address}: cannot be opened", self._holder):
            first = self._client(None, {})
            try:
                # The engine's own default database refuses some features.
                everywhere = f" ON CLUSTER {address.cluster}" if address.cluster else ""
                first.command(f"CREATE DATABASE IF NOT EXISTS {address.database}{everywhere}")
                self._writer = self._client(address.database, {})
            finally:
                first.close()

    @contextmanager
    def writing(self, what: str) -> Iterator[Any]:
        """The writing client, for one caller at a time."""
        with self._turn, explained(what):
            yield self._writer

    @contextmanager
    def reading(self, what: str) -> Iterator[Any]:
        """A reading client of one's own; it waits while all are in use."""
        client = self._idle.get()
        try:
            with explained(what):
                if client is None:
                    client = self._client(self.address.database, _limits(self.address))
                yield client
        finally:
            self._idle.put(client)

    @contextmanager
    def aside(self, what: str) -> Iterator[Any]:
        """A client for one long piece of work, beside which writes go on."""
        with explained(what):
            client = self._client(self.address.database, {})
            try:
                yield client
            finally:
                client.close()

    def close(self) -> None:
        """Close every client; the last one of an embedded store stops its engine."""
        for _ in range(READERS):
            client = self._idle.get()
            if client is not None:
                client.close()
        self._writer.close()

    def _client(self, database: str | None, settings: dict[str, Any]) -> Any:
        try:
            import clickhouse_connect
        except ModuleNotFoundError:
            raise MissingDependencyError("clickhouse-connect", "server") from None
        common: dict[str, Any] = {"settings": settings}
        if database is not None:
            common["database"] = database
        path = self.address.path
        if path is None:
            return clickhouse_connect.get_client(**self.address.options, **common)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"store {path}: {error.strerror}") from None
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=str(path),
                chdb_options={"config-file": str(CONFIG)},
                **common,
            )
        except ImportError:
            raise MissingDependencyError("chdb-core", "server") from None

    def _holder(self) -> str | None:
        """Say who holds an embedded store's directory: the engine's error does not."""
        if self.address.path is None:
            return None
        import fcntl  # not on every system; the embedded engine is on none that lacks it

        try:
            with (self.address.path / LOCK_FILE).open("r") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    process = re.search(r"PID: (\d+)", lock.read())
                    number = f" (process {process[1]})" if process else ""
                    return f"another process{number} has this directory open"
        except OSError:
            return None
        return None


@contextmanager
def explained(what: str, why: Any = None) -> Iterator[None]:
    """Turn the client's errors into ``StoreError``, without the data they may quote."""
    try:
        from clickhouse_connect.driver.exceptions import ClickHouseError
    except ModuleNotFoundError:
        raise MissingDependencyError("clickhouse-connect", "server") from None
    try:
        yield
    except ClickHouseError as error:
        reason = why() if why is not None else None
        if reason is None:
            reason = getattr(error, "name", None) or _known(str(error)) or type(error).__name__
        raise StoreError(f"{what}: {reason}") from None


def _known(message: str) -> str | None:
    if "already initialized with path" in message:
        return "this process has another directory open, and the engine takes one at a time"
    return None
