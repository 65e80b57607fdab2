"""Who may ask a server what, and how its clients find it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ragtrace.errors import StoreError
from ragtrace.forensics import reach, trace
from ragtrace.model import digest
from ragtrace.server import Client, open_reader
from ragtrace.store import OWNER, FlowFilter, Sought, Store, TraceNotFoundError
from ragtrace.wire import ContentRecord
from tests.engine import (
    flow,
    fresh_url,
    span,
    store,
)
from tests.web import PROTOBUF, get, protobuf, run, served

__all__ = ["store"]


QUESTIONS = ["/v1/flows", "/v1/edges", "/v1/traces/abcd", "/v1/texts", "/v1/stats"]


@pytest.mark.parametrize("path", [*QUESTIONS, "/v1/reach?what=x"])
def test_without_a_token_only_this_machine_may_read(store: Store, path: str) -> None:
    """Another peer, one behind a proxy, and a page under another name are refused."""
    remote = run(store, get(path), peer="192.0.2.7") + run(
        store,
        get(path, {"x-forwarded-for": "192.0.2.7"}),
        get(path, {"host": "evil.example"}),
    )
    assert {answer.status_code for answer in remote} == {403}
    assert remote[0].headers["content-type"] == "application/problem+json"
    for peer in ("::1", "::ffff:127.0.0.1"):
        assert run(store, get(path), peer=peer)[0].status_code in (200, 404)


@pytest.mark.parametrize("path", [*QUESTIONS, "/v1/reach?what=x"])
def test_with_a_token_everybody_needs_it(store: Store, path: str) -> None:
    """From this machine too; the right one is enough from anywhere."""
    wrong = [{}, {"authorization": "Bearer x"}, {"authorization": "Basic sesame"}]
    answers = run(store, *(get(path, header) for header in wrong), token="sesame")
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].headers["www-authenticate"] == "Bearer"
    right = {"authorization": "Bearer sesame"}
    (answer,) = run(store, get(path, right), token="sesame", peer="192.0.2.7")
    assert answer.status_code in (200, 404)


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/traces/ffff", 404, "no trace begins"),
        ("/v1/traces/x", 404, "4 to 32"),
        ("/v1/flows?audence=x", 400, "unknown parameter 'audence'"),
        ("/v1/flows?limit=-1", 400, "limit: expected"),
        ("/v1/flows?limit=99999", 400, "limit: expected"),
        ("/v1/flows?since=99999999999999999999", 400, "since: expected"),
        ("/v1/edges?until=soon", 400, "until: expected"),
        ("/v1/reach", 400, "what"),
        ("/v1/nothing", 404, "Not Found"),
    ],
)
def test_a_bad_question_is_a_problem(store: Store, path: str, status: int, detail: str) -> None:
    """RFC 9457, with what was expected."""
    (answer,) = run(store, get(path))
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"]) == (status, status)
    assert detail in problem["detail"]


def test_a_client_answers_as_the_store_does(store: Store) -> None:
    """Every question, over a real connection, gives equal records."""
    spans = [
        span(n, flow(0), flow(1, ranges=[{"start": 0, "end": 1, "level": "x"}])) for n in (1, 2)
    ]
    store.write(spans, [ContentRecord(digest("t"), "chunk", "x", "t")])
    where = FlowFilter(audience="customer", since=1)
    with served(store) as url, Client(url) as client:
        assert client.flows(where, 3) == store.flows(where, 3, access=OWNER)
        assert client.edges(where) == store.edges(where, access=OWNER)
        assert client.trace(f"{1:032x}") == store.trace(f"{1:032x}", access=OWNER)
        sought = Sought(names=("doc-1",))
        assert client.reach(sought) == store.reach(sought, access=OWNER)
        assert client.texts([digest("t")] * 3) == {digest("t"): "t"}
        assert client.stats() == store.stats(access=OWNER)
        assert reach(client, "doc-0") == reach(store.seen_by(OWNER), "doc-0")
        assert trace(client, f"{2:032x}") == trace(store.seen_by(OWNER), f"{2:032x}")
        assert client.health()["status"] == "ok"
        for missing in ("ffff", "../stats", "a/b"):
            with pytest.raises(TraceNotFoundError):
                client.trace(missing)


def test_a_client_without_a_server_is_a_store_error() -> None:
    """With the address, and no token."""
    with Client("http://127.0.0.1:9", "sesame") as client:
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:9") as refused:
            client.flows()
    assert "sesame" not in str(refused.value)


def test_a_stale_note_is_not_believed(tmp_path: Path, store: Store) -> None:
    """Another program on the noted port is never shown the token; the store is opened instead."""
    note = {"pid": os.getpid() + 1, "database": "ragtrace"}
    with served(store) as url:
        (tmp_path / "server.json").write_text(json.dumps(note | {"url": url}))
        with pytest.raises(StoreError, match="another directory open"):
            open_reader(str(tmp_path))


SERVE = """
import sys
from ragtrace.server import serve
serve(sys.argv[1], port=0, grpc_port=None, ready=lambda url, _: print(url, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_served_directory_is_read_through_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals
) -> None:
    """Found by its note, asked with the token, and the note goes with the server."""
    monkeypatch.setenv("RAGTRACE_READ_TOKEN", "sesame")
    directory = tmp_path / "db"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        note = directory / "server.json"
        assert json.loads(note.read_text())["url"] == url
        assert note.stat().st_mode & 0o777 == 0o600
        body = protobuf(span(1, flow()))
        assert httpx.post(f"{url}/v1/traces", content=body, headers=PROTOBUF).status_code == 200
        reader = open_reader(str(directory))
        assert isinstance(reader, Client)
        assert len(reader.reach(Sought(names=("doc-0",))).rows) == 1
        reader.close()
        assert httpx.get(f"{url}/v1/stats").status_code == 401
    finally:
        process.send_signal(stop)
        assert process.wait(20) == 0
    assert not note.exists()
    with Store.open(fresh_url()), pytest.raises(StoreError, match="another directory"):
        open_reader(str(directory))
