"""What an administrator may have a server do to its store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragtrace.server import Auth, Client
from ragtrace.server._upkeep import kept
from ragtrace.store import OWNER, Retention, Store
from tests.engine import KEY, flow, fresh_url, span, store
from tests.web import run, served

__all__ = ["store"]  # the fixture

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
    """One relative to wherever the server runs, or one that is there, is refused."""
    relative, there = run(store, _asked("copy"), _asked(tmp_path))
    assert (relative.status_code, there.status_code) == (400, 503)


def test_retention_is_in_force_as_long_as_it_is_kept(store: Store) -> None:
    """From the start; a server without one leaves what another has said."""
    with kept(store, Retention.parse("*=10d")), kept(store, None):
        pass
    store.write([span(1, flow(0))])
    with store._engine.writing("test") as client:
        client.command("OPTIMIZE TABLE flows FINAL")
    assert store.flows(access=OWNER) == []
