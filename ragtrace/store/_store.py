"""Store: what was traced, durably, and the questions it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Self

from ragtrace.errors import StoreError
from ragtrace.store._access import Access
from ragtrace.store._attach import Told, attach, refuse_unattached, repair
from ragtrace.store._backup import back_up, restore
from ragtrace.store._engine import Address, Engine
from ragtrace.store._inserts import content_insert, span_insert
from ragtrace.store._keyring import Keyring
from ragtrace.store._questions import Questions
from ragtrace.store._reader import ContentLike, SpanLike
from ragtrace.store._retention import Retention, retain
from ragtrace.store._schema import migrate, tokens, version
from ragtrace.store._seen import Seen
from ragtrace.store._shred import ShredPlan, expire_keys, finish_shreds, plan_shred, shred, vault_of
from ragtrace.store._shreds import Shred, Target
from ragtrace.store._told_first import told_first
from ragtrace.store._vault import Vault
from ragtrace.store._vault_state import VaultLevel, vault_levels

__all__ = ["Store"]

DAYS_PER_INSERT: Final = 50
"""The engine refuses an insert that touches more than 100 partitions; the shortest is a day."""
DAY_NS: Final = 86_400 * 10**9


class Store(Questions):
    """Spans, flows and contents in one database; safe to use from several threads.

    A write is on disk when it returns. A write that is repeated changes no answer.
    """

    @classmethod
    def migrate(cls, url: str) -> tuple[int, int]:
        """Bring the schema of the store at ``url`` up to date; give its version before and after.

        Raises:
            StoreError: As ``open``.
        """
        address = Address.parse(url)
        engine = Engine(address)
        try:
            with engine.writing("store: schema") as client:
                return version(client), migrate(client, fit=_fit(address))
        finally:
            engine.close()

    @classmethod
    def attach(cls, url: str, told: Told) -> int:
        """Add what is ours to a database that a Collector fills, and derive flows of what is there.

        Args:
            url: As for ``open``.
            told: Told how many days of spans are done, and of how many.

        Returns:
            How many days of spans there were.

        Raises:
            StoreError: It has no table of spans, or one of another shape; nothing was changed.
        """
        address = Address.parse(url)
        engine = Engine(address)
        try:
            with engine.writing("attach") as client:
                return attach(client, _fit(address), told)
        finally:
            engine.close()

    @classmethod
    def open(cls, url: str, vault_key: bytes | None = None) -> Store:
        """Open or create the store at ``url``, and bring its schema up to date.

        Args:
            url: ``chdb:///abs/path``, ``chdb://relative``, a path, or
                ``clickhouse://user:password@host:port/database``.
            vault_key: The root key, 32 bytes; without it texts are not kept, only their digests.

        Raises:
            StoreError: Another process has the directory, the schema is newer than this
                program, the keyring is missing, or the key is not the one it was wrapped with.
            MissingDependencyError: The engine is not installed.
        """
        address = Address.parse(url)
        engine, vault = Engine(address), None
        try:
            with engine.writing("store: schema") as client:
                refuse_unattached(client)
                schema = migrate(client, fit=_fit(address))
                repair(client)
                if vault_key is not None:
                    vault = Vault(open_keyring(client, address, vault_key))
            store = cls(engine, vault, schema)
            if vault is not None:
                finish_shreds(store)
        except BaseException:
            engine.close()
            raise
        return store

    def seen_by(self, access: Access) -> Seen:
        """Give the store as ``access`` sees it: the questions, without having to say who asks."""
        return Seen(self, access)

    @property
    def keeps_text(self) -> bool:
        """Whether texts are kept, sealed; without a key only their digests are."""
        return self._vault is not None

    @property
    def keyring(self) -> Path | None:
        """File of the keys of texts; ``None`` where none are kept."""
        return self._vault.keyring.path if self._vault is not None else None

    def shreds(self) -> list[Shred]:
        """Give what was shredded so far, the oldest first.

        Raises:
            StoreError: The store was opened without the key, or the keyring cannot be read.
        """
        return [record for record, _ in vault_of(self).keyring.shreds()]

    def rotate(self, root: bytes) -> int:
        """Wrap the keyring with another root key, and give how many entries it has.

        The store goes on; whoever else has it open is to be started again with the new key.

        Raises:
            StoreError: Nothing was changed.
        """
        return vault_of(self).keyring.rotate(root)

    def vault_levels(self) -> list[VaultLevel]:
        """Count keys and texts, by level.

        Raises:
            StoreError: The store was opened without the key, or cannot be read.
        """
        return vault_levels(self)

    def plan_shred(self, kind: Target, name: str, *, derived: bool = False) -> ShredPlan:
        """Say what shredding a document, user, session or level would destroy.

        Raises:
            StoreError: The store was opened without the key, or cannot be read.
        """
        return plan_shred(self, kind, name, derived=derived)

    def shred(
        self, kind: Target, name: str, *, by: str, reason: str, derived: bool = False
    ) -> Shred:
        """Destroy what ``plan_shred`` says, on record.

        Raises:
            StoreError: Nothing was destroyed; or rows are left to be emptied, which is done when
                the store is opened next.
        """
        return shred(self, kind, name, by=by, reason=reason, derived=derived)

    def retain(self, retention: Retention) -> None:
        """Keep to ``retention`` from now on, and remove the texts whose time is over.

        Raises:
            StoreError: The engine refused; doing it again is safe.
        """
        with self._engine.writing("store: retention") as client:
            retain(client, retention)
        if self._vault is not None:
            expire_keys(self)

    def back_up(self, destination: Path) -> int:
        """Copy everything to a new directory or ``.zip``, and give its size in bytes.

        Raises:
            StoreError: It is there already, or cannot be written; a ``.zip`` only a server makes.
        """
        if self._engine.address.path is not None and destination.suffix == ".zip":
            raise StoreError(
                f"backup: {destination}: the embedded engine makes no archives: "
                "expected a new directory"
            )
        with self._engine.aside(f"backup {destination}") as client:
            return back_up(client, self._engine.address.database, str(destination))

    def restore(self, source: Path) -> int:
        """Fill this empty store from a backup, and give its schema's version.

        Raises:
            StoreError: This store is not empty, or the backup cannot be used; nothing is changed.
        """
        address = self._engine.address
        with self._engine.writing(f"restore {source}") as client:
            version = restore(client, address.database, str(source), _fit(address))
        if self._vault is not None:
            finish_shreds(self)
        return version

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the engine."""
        self.close()

    def write(self, spans: Sequence[SpanLike], contents: Sequence[ContentLike] = ()) -> None:
        """Store spans, the flows they carry, and texts; on disk when this returns.

        Raises:
            StoreError: Some of it may not be stored; writing all of it again is safe.
        """
        if self._vault is not None:
            contents = told_first(self, contents)
        with self._engine.writing("store: write") as client:
            for batch in _by_days(spans):
                client.insert(**span_insert(batch))
            if contents:
                client.insert(**content_insert(contents, self._vault))


def open_keyring(client: Any, address: Address, root: bytes) -> Keyring:
    """Open the keyring of a database; one is made only where no text is sealed yet.

    Raises:
        StoreError: It is not known where, missing, or wrapped with another key.
    """
    if address.keyring is None:
        raise StoreError(
            f"store {address}: expected ?keyring=DIR in its address: the keys of texts are kept "
            "outside the database"
        )
    sealed = client.query("SELECT 1 FROM contents WHERE Kept = 1 LIMIT 1").result_rows
    return Keyring(address.keyring, root, create=not sealed)


def _fit(address: Address) -> Callable[[str], str]:
    return tokens(replicated=address.replicated, cluster=address.cluster)


def _by_days(spans: Sequence[SpanLike]) -> Iterator[Sequence[SpanLike]]:
    days = sorted({span.start_ns // DAY_NS for span in spans})
    if len(days) <= DAYS_PER_INSERT:
        if spans:
            yield spans
        return
    groups = {day: place // DAYS_PER_INSERT for place, day in enumerate(days)}
    ordered = sorted(spans, key=lambda span: span.start_ns)
    for _, batch in groupby(ordered, key=lambda span: groups[span.start_ns // DAY_NS]):
        yield list(batch)
