"""What the server promises on a socket, before it knows who is at the other end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from ragtrace.server import _connection, create_app
from ragtrace.server._serve import _Server
from ragtrace.store import Store
from tests.engine import store

__all__ = ["store"]  # the fixture


@contextlib.contextmanager
def listening(opened: Store) -> Iterator[int]:
    """The port of a server as ``ragtrace serve`` runs it."""
    server = _Server(create_app(opened), None, None, lambda _: None)
    at = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield at.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        at.close()


def said(port: int, *parts: bytes) -> bytes:
    """What comes back before the server closes; a part that it does not take is not sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as made:
        answer = b""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                made.sendall(part)
            while piece := made.recv(65536):
                answer += piece
        return answer


@pytest.mark.parametrize("head", [b"", b"GET /v1/stats HTTP/1.1\r\nHost: local"])
def test_a_head_that_does_not_come_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    """Neither the first of a connection, nor one that stops half-way; others are answered."""
    monkeypatch.setattr(_connection, "HEAD_SECONDS", 0.2)
    with listening(store) as port:
        assert said(port, head) == b""
        whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert said(port, whole + head).count(b"HTTP/1.1 200 OK") == 1
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_what_takes_longer_than_its_head_is_answered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a head is due: a body has a time of its own."""
    monkeypatch.setattr(_connection, "HEAD_SECONDS", 0.1)
    head = (
        b"POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        b"Content-Type: application/x-protobuf\r\nConnection: close\r\n\r\n"
    )
    with (
        listening(store) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as made,
    ):
        made.sendall(head)
        time.sleep(0.4)
        made.sendall(b"\n\0")
        assert made.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_a_head_has_an_end(store: Store) -> None:
    """One that is longer is refused, and not kept in memory until it ends."""
    piece = b"X: " + b"a" * 30_000 + b"\r\n"
    with listening(store) as port:
        answer = said(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", *[piece] * 100)
    assert b"200 OK" not in answer


def test_a_request_says_whom_it_asks(store: Store) -> None:
    """Without ``Host`` it is none; a page that renames its host cannot leave it out."""
    with listening(store) as port:
        answer = said(port, b"GET /v1/stats HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
