"""Vault desk: what an administrator asks of a vault, beside the store or of the server over it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ragtrace import config
from ragtrace.server._client import LONG_SECONDS, Client, server_url
from ragtrace.store import OWNER, Store, Target, vault_key

__all__ = ["VaultDesk", "open_vault"]


class VaultDesk(Protocol):
    """A vault, and who read in it; answers are as the API's JSON has them."""

    def state(self) -> dict[str, Any]:
        """Keys and texts by level, and what was shredded."""

    def plan(self, kind: Target, name: str, *, derived: bool) -> dict[str, Any]:
        """What shredding something would destroy."""

    def shred(
        self, kind: Target, name: str, *, derived: bool, by: str, reason: str
    ) -> dict[str, Any]:
        """Destroy it, and give the record."""

    def readings(self, since: int, limit: int) -> list[dict[str, Any]]:
        """The newest readings of texts, newest first."""


class _Beside:
    """Of a store that nobody else has open."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def state(self) -> dict[str, Any]:
        return {
            "levels": [one.as_json() for one in self._store.vault_levels()],
            "shreds": [one.told() for one in self._store.shreds()],
        }

    def plan(self, kind: Target, name: str, *, derived: bool) -> dict[str, Any]:
        return self._store.plan_shred(kind, name, derived=derived).as_json()

    def shred(
        self, kind: Target, name: str, *, derived: bool, by: str, reason: str
    ) -> dict[str, Any]:
        return self._store.shred(kind, name, by=by, reason=reason, derived=derived).told()

    def readings(self, since: int, limit: int) -> list[dict[str, Any]]:
        return [one.as_json() for one in self._store.readings(since, limit, access=OWNER)]


class _OverHttp:
    """Of a server that has the store open."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def state(self) -> dict[str, Any]:
        return self._client.get("/v1/vault", seconds=LONG_SECONDS)

    def plan(self, kind: Target, name: str, *, derived: bool) -> dict[str, Any]:
        asked = {"kind": kind, "name": name, "derived": derived, "dry_run": True}
        return self._client.post("/v1/vault/shred", asked)

    def shred(
        self, kind: Target, name: str, *, derived: bool, by: str, reason: str
    ) -> dict[str, Any]:
        asked = {"kind": kind, "name": name, "derived": derived, "by": by, "reason": reason}
        return self._client.post("/v1/vault/shred", asked)

    def readings(self, since: int, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.get(
            "/v1/readings", {"since": since, "limit": limit}
        )["readings"]
        return found


@contextmanager
def open_vault(store_url: str) -> Iterator[VaultDesk]:
    """Open the vault of a store, or of the server that has it open.

    The root key and the token are read from the environment.

    Raises:
        StoreError: Neither can be done.
    """
    url = server_url(store_url)
    if url is not None:
        with Client(url, config.READ_TOKEN.value(os.environ)) as client:
            yield _OverHttp(client)
    else:
        with Store.open(store_url, vault_key()) as store:
            yield _Beside(store)
