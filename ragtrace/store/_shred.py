"""Shred: the keys of texts are destroyed, on record; nothing opens them again, also from a backup.

The keyring is changed first, record and keys in one transaction: that is when it has happened.
Everything else follows from the record, and is done again by whoever opens the store next, where
a crash came between: the record is copied into the store, the rows are emptied, and the names are
taken off the rows. A record that the store has and the keyring has not is of a keyring that was
copied back: its keys are destroyed again.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ragtrace.errors import StoreError
from ragtrace.store import _shred_sql as sql
from ragtrace.store._access import OWNER
from ragtrace.store._rows import Row
from ragtrace.store._sayings import QuestionError
from ragtrace.store._shreds import Shred, Target

if TYPE_CHECKING:
    from ragtrace.store._keyring import Keyring
    from ragtrace.store._store import Store
    from ragtrace.store._vault import Vault

__all__ = ["ShredPlan", "expire_keys", "finish_shreds", "plan_shred", "shred", "vault_of"]

_log: Final = logging.getLogger("ragtrace.store")

ID_BYTES: Final = 8
"""Of a record's id."""
RETIRED_SECONDS: Final = 86_400.0
"""From the last use of a key to its end: no writer holds one in hand for a day."""
MOST_SAID: Final = 1000
"""Characters of who and why."""


@dataclass(frozen=True, slots=True)
class ShredPlan(Row):
    """What would be shredded, and how much that is.

    Attributes:
        kind: What it is.
        name: As it was asked for.
        texts: Texts that would not open any more, by level.
        derived: How many of them were made from it.
        keys: Ids of the keys that would be destroyed.
        punctured: Keys that would forget single texts: id and digest.
    """

    kind: Target
    name: str
    texts: tuple[tuple[str, int], ...]
    derived: int
    keys: tuple[str, ...]
    punctured: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """How many texts."""
        return sum(number for _, number in self.texts)

    def as_json(self) -> dict[str, Any]:
        """Give what a person needs to know before."""
        levels = dict(self.texts)
        told = {"kind": self.kind, "name": self.name, "texts": levels, "derived": self.derived}
        return {**told, "keys": len(self.keys)}


def plan_shred(store: Store, kind: Target, name: str, *, derived: bool = False) -> ShredPlan:
    """Say what shredding something would destroy; nothing is changed.

    Args:
        store: Opened with its key.
        kind: What ``name`` is.
        name: A document's id, a user, a session or a level.
        derived: Also prompts and answers that were made from it, as far as flows tell.

    Raises:
        StoreError: The store has no keys, or cannot be read, or this has nothing derived.
    """
    keyring = vault_of(store).keyring
    if derived and kind not in ("document", "level"):
        raise QuestionError(f"shred: derived texts of a {kind}: expected a document or a level")
    if kind == "level":
        keys = keyring.of_level(name)
    else:
        keys = keyring.of_subjects([f"{kind}:{name}", *_sessions(store, kind, name)])
    asked = {"keys": keys}
    found = store._rows("shred", sql.TEXTS_OF_KEYS, asked, OWNER)
    punctured: list[tuple[str, str]] = []
    more: list[tuple[Any, ...]] = []
    if derived:
        query = sql.DERIVED_OF_DOCUMENT if kind == "document" else sql.DERIVED_OF_LEVEL
        rows = store._rows("shred", query, {"name": name, **asked}, OWNER)
        punctured = sorted({(row[0], row[1]) for row in rows})
        more = [(level,) for _, _, level in rows]
    levels: dict[str, int] = {level: int(number) for level, number in found}
    for (level,) in more:
        levels[level] = levels.get(level, 0) + 1
    texts = tuple(sorted(levels.items()))
    return ShredPlan(kind, name, texts, len(more), tuple(keys), tuple(punctured))


def shred(
    store: Store, kind: Target, name: str, *, by: str, reason: str, derived: bool = False
) -> Shred:
    """Destroy what ``plan_shred`` says, and give the record.

    Args:
        store: Opened with its key.
        kind: What ``name`` is.
        name: A document's id, a user, a session or a level.
        by: Who does it.
        reason: Why.
        derived: Also prompts and answers that were made from it.

    Raises:
        StoreError: Nothing was destroyed, or, where it says so, all was and rows are not emptied
            yet: that is done when the store is opened next.
    """
    for what, said in (("by", by), ("reason", reason)):
        if not said.strip() or len(said) > MOST_SAID:
            raise QuestionError(f"shred: {what}: expected 1 to {MOST_SAID} characters")
    keyring = vault_of(store).keyring
    plan = plan_shred(store, kind, name, derived=derived)
    plain = plan.kind in ("document", "level")
    record = Shred(
        id=secrets.token_hex(ID_BYTES),
        time_ns=time.time_ns(),
        kind=plan.kind,
        name=plan.name if plain else keyring.named(f"{plan.kind}:{plan.name}").hex(),
        by=by,
        reason=reason,
        texts=plan.count,
        keys=plan.keys,
        punctured=plan.punctured,
    )
    keyring.shred(record)
    finish_shreds(store)
    return record


def expire_keys(store: Store) -> Shred | None:
    """Destroy the keys of subjects whose last text is over; ``None`` where there are none.

    A key is taken out of use first, and destroyed a day later at the earliest.

    Raises:
        StoreError: Some are left; doing it again is safe.
    """
    keyring = vault_of(store).keyring
    used = {row[0] for row in store._rows("shred", sql.KEYS_IN_USE, {}, OWNER)}
    over = keyring.retire(used, time.time() - RETIRED_SECONDS)
    if not over:
        return None
    record = Shred(
        id=secrets.token_hex(ID_BYTES),
        time_ns=time.time_ns(),
        kind="retention",
        name="",
        by="ragtrace",
        reason="the period of every text was over",
        texts=0,
        keys=tuple(over),
    )
    keyring.shred(record)
    finish_shreds(store)
    return record


def finish_shreds(store: Store) -> None:
    """Do what is left of every shredding that the keyring or the store tells of.

    Raises:
        StoreError: Some of it is left; doing it again is safe.
    """
    keyring = vault_of(store).keyring
    told = _told(store, keyring)
    for record in told.values():
        keyring.shred(record)
    left = [one for one, swept in keyring.shreds() if not swept or one.id not in told]
    for record in left:
        with store._engine.writing("store: shred") as client:
            if record.id not in told:
                client.insert(**sql.shred_insert(record, keyring.proof(record)))
            _sweep(store, client, record)
        keyring.swept(record.id)


def _told(store: Store, keyring: Keyring) -> dict[str, Shred]:
    """The records that the store has, by id; one that somebody else wrote destroys nothing."""
    told: dict[str, Shred] = {}
    for *row, proof in store._rows("shred", sql.SHREDS, {}, OWNER):
        record = Shred.from_row(row)
        if hmac.compare_digest(keyring.proof(record).encode(), proof.encode()):
            told[record.id] = record
        else:
            _log.warning("vault: the store's record of shredding %s is not ours", record.id)
    return told


def _sweep(store: Store, client: Any, record: Shred) -> None:
    """Empty the rows whose key is gone, and take names off rows from before."""
    if record.keys:
        _change(client, sql.EMPTY_BY_KEY, {"keys": list(record.keys)})
    if record.punctured:
        keys, digests = (list(column) for column in zip(*record.punctured, strict=True))
        _change(client, sql.EMPTY_BY_TEXT, {"keys": keys, "digests": digests})
    if record.kind not in ("user", "session"):
        return
    names = _named(store, record)
    if names:
        asked = {"names": names, "instead": f"shredded-{record.id}", "until": record.time_ns}
        for statement in sql.UNNAME[record.kind]:
            _change(client, statement, asked)


def _named(store: Store, record: Shred) -> list[str]:
    """The names on rows that the record is about: it holds only what stands for them."""
    keyring = vault_of(store).keyring
    column = record.kind.title()
    rows = store._rows("shred", sql.NAMES.replace("{column}", column), {}, OWNER)
    return [n for (n,) in rows if keyring.named(f"{record.kind}:{n}").hex() == record.name]


def _sessions(store: Store, kind: Target, name: str) -> Iterable[str]:
    """The sessions of a user, whose names stand for the user's."""
    if kind != "user":
        return ()
    rows = store._rows("shred", sql.SESSIONS, {"name": name}, OWNER)
    return [f"session:{session}" for (session,) in rows]


def _change(client: Any, statement: str, parameters: Mapping[str, Any]) -> None:
    client.command(statement, parameters=parameters, settings=sql.WAIT)


def vault_of(store: Store) -> Vault:
    """Give the vault of a store.

    Raises:
        StoreError: It was opened without the key.
    """
    if store._vault is None:
        raise StoreError("shred: the store was opened without the key: expected RAGTRACE_VAULT_KEY")
    return store._vault
