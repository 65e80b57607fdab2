"""What a server says of its vault, and does to it, for an administrator."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ragtrace.errors import StoreError
from ragtrace.model import digest
from ragtrace.server import Auth, Client, open_vault
from ragtrace.server._vault_desk import _OverHttp
from ragtrace.store import OWNER, Store
from tests.engine import content, fresh_url, store
from tests.web import get, run, served

__all__ = ["store"]  # the fixture

JSON = {"content-type": "application/json"}
ANN = {"kind": "user", "name": "ann", "by": "dpo", "reason": "request 17"}


def _post(body: dict[str, Any], headers: dict[str, str] = JSON) -> dict[str, Any]:
    sent = json.dumps(body).encode()
    return {"method": "POST", "url": "/v1/vault/shred", "content": sent, "headers": headers}


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _fill(opened: Store) -> None:
    opened.write([], [content("ann's", subject="user:ann"), content("ben's", subject="user:ben")])


def test_the_server_shreds_what_it_has_open(store: Store) -> None:
    """First it says how many; then it is gone, on record, and said to be so."""
    _fill(store)
    texts = [digest("ann's"), digest("ben's")]
    with served(store) as url, Client(url) as client:
        desk = _OverHttp(client)
        assert desk.plan("user", "ann", derived=False)["texts"] == {"internal": 1}
        assert len(client.texts(texts)) == 2
        told = desk.shred("user", "ann", derived=False, by="dpo", reason="request 17")
        assert (told["texts"], told["by"]) == (1, "dpo")
        assert client.texts(texts) == {digest("ben's"): "ben's"}
        assert client.gone(texts)[digest("ann's")].said.startswith("shredded on 2")
        state = desk.state()
        assert [one["id"] for one in state["shreds"]] == [told["id"]]
        assert state["levels"] == [{"level": "internal", "keys": 1, "texts": 1, "gone": 1}]
        readings = desk.readings(0, 10)
        assert [one["texts"] for one in readings] == [1, 2]


@pytest.mark.parametrize("call", [_post(ANN), get("/v1/vault"), get("/v1/readings")])
def test_only_an_administrator_of_everything_may(
    store: Store, tmp_path: Path, call: dict[str, Any]
) -> None:
    """Not who reads, nor who administers some levels, nor who shows nothing."""
    _fill(store)
    rights = {
        "reads": "roles: [read], levels: all, tenants: all",
        "some": "roles: [admin], levels: [internal], tenants: all",
    }
    access = tmp_path / "access.yaml"
    access.write_text(
        "".join(
            f"- {{name: {name}, token_sha256: {_sha256(name)}, {may}}}\n"
            for name, may in rights.items()
        )
    )
    auth = Auth(access_file=str(access))
    for token, status in (("reads", 403), ("some", 403), ("wrong", 401)):
        headers = {**call.get("headers", {}), "authorization": f"Bearer {token}"}
        (refused,) = run(store, {**call, "headers": headers}, auth=auth)
        assert refused.status_code == status
    assert len(store.texts([digest("ann's")], access=OWNER)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "planet"},
        {"name": ""},
        {"by": ""},
        {"reason": ""},
        {"derived": True},
        {"more": 1},
    ],
)
def test_what_cannot_be_shredded_so_is_refused(store: Store, bad: dict[str, Any]) -> None:
    """With what was expected, and nothing is destroyed."""
    _fill(store)
    (refused,) = run(store, _post(ANN | bad))
    assert refused.status_code == 400
    assert "expected" in refused.json()["detail"]
    assert len(store.texts([digest("ann's")], access=OWNER)) == 1


def test_a_web_page_cannot_have_anything_shredded(store: Store) -> None:
    """What a browser sends to another site without asking is refused."""
    (refused,) = run(store, _post(ANN, {"content-type": "text/plain"}))
    assert refused.status_code == 400


def test_without_the_key_there_is_no_vault() -> None:
    """And that is said."""
    with open_vault(fresh_url()) as desk, pytest.raises(StoreError, match="VAULT_KEY"):
        desk.state()
