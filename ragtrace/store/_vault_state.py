"""Vault state: how many keys and texts there are on each level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ragtrace.store._access import OWNER
from ragtrace.store._rows import Row
from ragtrace.store._shred import vault_of

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = ["VaultLevel", "vault_levels"]


@dataclass(frozen=True, slots=True)
class VaultLevel(Row):
    """What the vault has on one level.

    Attributes:
        keys: Subjects with a key: documents, users, sessions.
        texts: Texts that are sealed; one of two subjects counts twice.
        gone: Texts that were shredded, or whose period is over, and that something still names.
    """

    level: str
    keys: int
    texts: int
    gone: int


def vault_levels(store: Store) -> list[VaultLevel]:
    """Count keys and texts, by level.

    Raises:
        StoreError: The store was opened without the key, or cannot be read.
    """
    keys = vault_of(store).keyring.levels()
    rows: list[tuple[Any, ...]] = store._rows("vault", _TEXTS, {}, OWNER)
    texts = {level: (kept, gone) for level, kept, gone in rows}
    names = sorted(keys.keys() | texts.keys())
    return [VaultLevel(name, keys.get(name, 0), *texts.get(name, (0, 0))) for name in names]


_TEXTS: Final = """
SELECT
    Level,
    uniqExactIf((Digest, Kind, Key), Gone = 0),
    uniqExactIf((Digest, Kind, Key), Gone = 1)
FROM contents WHERE {may_contents} AND Kept = 1
GROUP BY Level ORDER BY Level
"""
