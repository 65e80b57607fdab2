"""Texts: opened for who may read them, and what became of those that do not open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ragtrace.errors import StoreError
from ragtrace.store._access import ITSELF, OWNER, Access
from ragtrace.store._readings import Reading
from ragtrace.store._shreds import Gone

if TYPE_CHECKING:
    from ragtrace.store._questions import Questions

__all__ = ["gone", "texts"]

_AS_BYTES: Final[dict[str, Any]] = {"column_formats": {"Text": "bytes"}}
_TEXTS: Final = """
SELECT Digest, Kind, Level, Key, any(Text) AS Text FROM contents
WHERE {may_contents} AND Digest IN {digests:Array(String)} AND Kept = 1 AND Gone = {gone:UInt8}
GROUP BY Digest, Kind, Level, Key
ORDER BY Digest, Kind, Level, Key
LIMIT 8 BY Digest
"""
"""A text of several is sealed for each of them. One that was shredded is gone, so the first opens;
more are looked at where that happened in this moment, or one is damaged."""
_KEPT: Final = """
SELECT DISTINCT Digest FROM contents
WHERE {may_contents} AND Digest IN {digests:Array(String)} AND Kept = 1 AND Gone = 0
"""


def texts(store: Questions, digests: Iterable[str], access: Access) -> dict[str, str]:
    """Give the texts that open among ``digests``, once that they were read is on record.

    Raises:
        StoreError: The store was opened without the key, or the reading cannot be recorded.
    """
    asked = sorted(set(digests))
    opened: dict[str, tuple[str, str]] = {}
    for row in _rows(store, asked, access, gone=0):
        if row[0] not in opened:
            try:
                opened[row[0]] = (store._unseal(row), row[2])
            except StoreError:
                if store._vault is None:
                    raise
    if access is not ITSELF:
        _record(store, asked, {name: level for name, (_, level) in opened.items()}, access)
    return {name: text for name, (text, _) in opened.items()}


def gone(store: Questions, digests: Iterable[str], access: Access) -> dict[str, Gone]:
    """Say of each text among ``digests`` that was kept, and does not open, why not.

    Raises:
        StoreError: The store was opened without the key.
    """
    asked = sorted(set(digests))
    found: dict[str, Gone] = {}
    whole: set[str] = set()
    rows = [*_rows(store, asked, access, gone=1), *_rows(store, asked, access, gone=0)]
    for row in rows:
        why = _why(store, row)
        if why is None:
            whole.add(row[0])
        elif row[0] not in found or found[row[0]].why == "expired":
            found[row[0]] = why
    return {name: why for name, why in found.items() if name not in whole}


def _why(store: Questions, row: tuple[Any, ...]) -> Gone | None:
    """Why one row does not open; ``None`` where it does."""
    if store._vault is None:
        raise StoreError("store: the texts are sealed, and it was opened without the key")
    digest, _, _, key, sealed = row
    shred = store._vault.keyring.shredded().of(key, digest)
    if shred is not None:
        expired = shred.kind == "retention"
        return Gone("expired" if expired else "shredded", shred.time_ns, shred.id)
    if not sealed:
        return Gone("expired")
    if store._vault.keyring.key(key) is None:
        return Gone("key-lost")
    try:
        store._unseal(row)
    except StoreError:
        return Gone("damaged")
    return None


def _record(store: Questions, asked: list[str], given: dict[str, str], access: Access) -> None:
    refused: set[str] = set()
    missing = [name for name in asked if name not in given]
    if missing and (access.levels is not None or access.tenants is not None or not access.reads):
        kept = store._rows("texts", _KEPT, {"digests": missing}, OWNER)
        refused = {row[0] for row in kept}
    if given or refused:
        store._readings.note(Reading.of(access.name, given.items(), refused))


def _rows(
    store: Questions, digests: list[str], access: Access, *, gone: int
) -> list[tuple[Any, ...]]:
    asked = {"digests": digests, "gone": gone}
    return store._rows("texts", _TEXTS, asked, access, **_AS_BYTES)
