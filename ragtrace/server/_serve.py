"""Serve: the one process that holds a store, and the note that says where it is."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from ragtrace import config
from ragtrace.errors import ConfigError, StoreError
from ragtrace.policy import read_policy
from ragtrace.server._app import create_app
from ragtrace.server._auth import Auth
from ragtrace.server._connection import HEAD_BYTES, Connection
from ragtrace.server._grpc import GRPC_PORT, OtlpServer
from ragtrace.server._peer import is_loopback
from ragtrace.server._tls import Tls
from ragtrace.server._upkeep import kept
from ragtrace.store import (
    Address,
    Chain,
    ChainBrokenError,
    Retention,
    SealKey,
    Store,
    vault_key,
)

__all__ = ["NOTE", "PORT", "serve"]

NOTE: Final = "server.json"
"""File in the store's directory, there for as long as a server runs on it."""
PORT: Final = 4318
"""Where OTLP over HTTP is expected."""
BACKLOG: Final = 512
CONNECTIONS: Final = 512
"""Of HTTP at once; beyond, 503. Each is a file, of which a process has 1024 as a rule."""
DRAIN_SECONDS: Final = 30
"""How long requests in hand may take when the server is told to stop."""

OPEN: Final = (
    "server: {host} can be reached from elsewhere, and anybody could send: "
    "expected RAGTRACE_ACCESS to name a file of tokens, or --tls-client-ca"
)

_log: Final = logging.getLogger("ragtrace.server")


def serve(
    store_url: str,
    host: str = "127.0.0.1",
    port: int = PORT,
    *,
    grpc_port: int | None = GRPC_PORT,
    tls: Tls | None = None,
    policy: str | Path | None = None,
    behind_proxy: bool = False,
    ready: Callable[[str, str | None], None] | None = None,
) -> None:
    """Receive and answer until told to stop (SIGINT, SIGTERM), with one worker.

    The vault's key, and who may send and read, are told by the environment.

    Args:
        store_url: As for ``Store.open``.
        host: Where to listen; beyond this machine, callers need a token that ``Auth`` knows.
        port: 0 for any that is free.
        grpc_port: Where to listen for gRPC, 0 for any that is free, ``None`` for nowhere.
        tls: Spoken on both; without it, nothing is encrypted.
        policy: File that labels what applications without ragtrace have retrieved.
        behind_proxy: Whether a proxy on this machine hands on what others ask: then nobody is
            taken for local.
        ready: Called with the server's URL, and that of gRPC, once it accepts connections.

    Raises:
        StoreError: The store cannot be opened, or the port is taken.
        ConfigError: The vault's key is not one, or the access file cannot be used, or anybody
            who reaches ``host`` could send.
        PolicyFileError: The policy cannot be used.
    """
    address = Address.parse(store_url)
    auth = Auth.from_environ(os.environ, behind_proxy=behind_proxy)
    rules = config.RETENTION.value(os.environ)
    retention = Retention.parse(rules) if rules is not None else None
    labels = read_policy(policy) if policy is not None else None
    certified = tls is not None and tls.client_ca is not None
    with closing(_listen(host, port)) as listening:
        at: tuple[str, int] = listening.getsockname()[:2]
        if not (certified or auth.senders_known or (is_loopback(at[0]) and not behind_proxy)):
            raise ConfigError(OPEN.format(host=host))
        with Store.open(store_url, vault_key()) as store:
            app = create_app(
                store, auth=auth, certified=certified, policy=labels, chain=_chain(store, address)
            )
            scheme = "https" if tls is not None else "http"
            with _noted(address) as note, kept(store, retention), _interruptible():

                def started(grpc_at: int | None) -> None:
                    url = _url(scheme, *at)
                    note(url)
                    if ready is not None:
                        ready(url, _url(scheme, at[0], grpc_at) if grpc_at is not None else None)

                server = _Server(app, tls, _grpc(app, at[0], grpc_port, tls), started)
                with suppress(KeyboardInterrupt):
                    server.run(sockets=[listening])


def _chain(store: Store, address: Address) -> Chain | None:
    """The chain that this server goes on with; a broken one is left as it is, and said."""
    key = SealKey.of_environment(address.path)
    if key is None:
        _log.warning("no chain of decisions is kept: RAGTRACE_SEAL_KEY_FILE is not set")
        return None
    try:
        return Chain(store, key)
    except ChainBrokenError as error:
        _log.error("no decision is linked: %s", error)
        return None


def _grpc(
    app: FastAPI, host: str, port: int | None, tls: Tls | None
) -> Callable[[], OtlpServer] | None:
    if port is None:
        return None
    credentials = tls.credentials() if tls is not None else None
    return lambda: OtlpServer(app.state.intake, host, port, credentials)


class _Server(uvicorn.Server):
    """One worker for HTTP and gRPC, which says when it is ready.

    Args:
        grpc: Makes the server of gRPC, which needs a running event loop; ``None`` for none.
        started: Called with the port of gRPC.
    """

    def __init__(
        self,
        app: FastAPI,
        tls: Tls | None,
        grpc: Callable[[], OtlpServer] | None,
        started: Callable[[int | None], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                h11_max_incomplete_event_size=HEAD_BYTES,
                ssl_context_factory=(lambda *_: tls.context()) if tls is not None else None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who is a loopback peer is not for a header to say
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        self._grpc = grpc
        self._calls: OtlpServer | None = None
        self._announce = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then say so."""
        if self._grpc is not None:  # first: if its port is taken, nothing has begun
            self._calls = self._grpc()
        await super().startup(sockets)
        if not self.started:
            return
        if self._calls is not None:
            await self._calls.start()
        self._announce(self._calls.port if self._calls is not None else None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let calls and requests in hand end; the store is let go of after both."""
        if self._calls is not None:
            await self._calls.stop()
        await super().shutdown(sockets)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM as Ctrl-C: once stopped, uvicorn repeats the signal, which would end it all here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StoreError(f"server: {host}:{port}: {error.strerror}") from None


def _url(scheme: str, host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextmanager
def _noted(address: Address) -> Iterator[Callable[[str], None]]:
    """Writes where the server is into the store's directory, where it has one, until it ends."""
    note = address.path / NOTE if address.path is not None else None

    def write(url: str) -> None:
        if note is not None:
            note.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(note, flags, 0o600), "w") as file:
                json.dump({"url": url, "pid": os.getpid(), "database": address.database}, file)

    try:
        yield write
    finally:
        if note is not None:
            note.unlink(missing_ok=True)
