"""What an administrator may have a server do to its store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.server import Auth, Client, _inbound
from ragtrace.server._upkeep import kept
from ragtrace.store import OWNER, Retention, Store
from tests.engine import KEY, flow, fresh_url, span, store
from tests.web import run, served

__all__ = ["store"]  # the fixture

_SHA = hashlib.sha256(b"sesame").hexdigest()
JSON = {"content-type": "application/json"}


def _asked(path: Path | str, headers: dict[str, str] = JSON) -> dict[str, Any]:
    body = json.dumps({"to": str(path)}).encode()
    return {"method": "POST", "url": "/v1/store/backup", "content": body, "headers": headers}


def test_a_server_copies_the_store_it_has_open(store: Store, tmp_path: Path) -> None:
    """For who is on its machine; the copy answers as the store."""
    store.write([span(1, flow(0))])
    with served(store) as url, Client(url) as client:
        assert client.back_up(tmp_path / "copy") > 0
    with Store.open(fresh_url(), KEY) as other:
        other.restore(tmp_path / "copy")
        assert other.flows(access=OWNER) == store.flows(access=OWNER)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON | {"authorization": "Bearer reads"}, 403),
        (JSON, 401),
        (JSON | {"authorization": "Bearer wrong"}, 401),
    ],
)
def test_only_an_administrator_may(
    store: Store, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """Not who reads, nor who shows nothing; nothing is written."""
    (refused,) = run(store, _asked(tmp_path / "copy", headers), auth=Auth("reads"))
    assert refused.status_code == status
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_web_page_cannot_have_it_done(store: Store, tmp_path: Path, content_type: str) -> None:
    """What a browser sends to another site without asking is refused."""
    answers = run(store, _asked(tmp_path / "copy", {"content-type": content_type}))
    assert answers[0].status_code == 400
    assert not list(tmp_path.iterdir())


def test_a_path_is_absolute_and_new(store: Store, tmp_path: Path) -> None:
    """One relative to wherever the server runs, or that is there, if only as a link, is refused."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    answers = run(store, *map(_asked, ["copy", "/a\0b", "/\ud800", tmp_path, link]))
    assert [answer.status_code for answer in answers] == [400, 400, 400, 503, 503]
    assert [one.name for one in tmp_path.iterdir()] == ["link"]


def test_an_archive_is_for_a_server_to_make(store: Store, tmp_path: Path) -> None:
    """The embedded engine cannot, which is said in words."""
    with pytest.raises(StoreError, match="expected a new directory"):
        store.back_up(tmp_path / "copy.zip")


@pytest.mark.parametrize("missing", ["levels", "tenants"])
def test_an_administrator_of_some_is_given_no_copy_of_all(
    store: Store, tmp_path: Path, missing: str
) -> None:
    """A copy holds every tenant's rows, of every level."""
    said = {"name": "a", "token_sha256": _SHA, "roles": ["admin"], "levels": "all"}
    file = tmp_path / "access.yaml"
    file.write_text(json.dumps([{**said, "tenants": "all", missing: ["acme"]}]))
    shown = JSON | {"authorization": "Bearer sesame"}
    auth = Auth(access_file=str(file))
    (refused,) = run(store, _asked(tmp_path / "copy", shown), auth=auth)
    assert refused.status_code == 403
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_its_owners_alone(store: Store, tmp_path: Path) -> None:
    """Nobody else reads it, whatever the mask of the process; which is then as it was."""
    store.write([span(1, flow(0))])
    before = os.umask(0o022)
    try:
        store.back_up(tmp_path / "copy")
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    made = [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]
    assert {oct(one.stat().st_mode & 0o077) for one in made} == {"0o0"}


def test_a_body_is_read_of_who_may_and_no_further_than_it_should_be(store: Store) -> None:
    """Who may not is refused before the first byte; a long one is refused, not kept."""
    read = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b" " * 4096

    def call() -> dict[str, Any]:
        return {"method": "POST", "url": "/v1/store/backup", "content": endless(), "headers": JSON}

    (stranger,) = run(store, call(), auth=Auth("sesame"))
    assert (stranger.status_code, read) == (401, [])
    (long,) = run(store, call())
    assert (long.status_code, len(read) < 20) == (413, True)


def test_a_body_that_stalls_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a backup, and that of the login form, which is then as an empty one."""
    monkeypatch.setattr(_inbound, "SHORT_SECONDS", 0.05)

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(20)

    def call(url: str) -> dict[str, Any]:
        return {"method": "POST", "url": url, "content": stalling(), "headers": JSON}

    answers = run(store, call("/v1/store/backup"), call("/login"))
    assert [answer.status_code for answer in answers] == [408, 401]


def test_retention_is_in_force_as_long_as_it_is_kept(store: Store) -> None:
    """From the start; a server without one leaves what another has said."""
    with kept(store, Retention.parse("*=10d")), kept(store, None):
        pass
    store.write([span(1, flow(0))])
    with store._engine.writing("test") as client:
        client.command("OPTIMIZE TABLE flows FINAL")
    assert store.flows(access=OWNER) == []
