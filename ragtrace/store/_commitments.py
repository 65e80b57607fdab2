"""Commitments: names and digests under a key, the same each time, that can be opened singly."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Commitments", "Kind"]

Kind = Literal["reader", "reason", "session", "text", "user"]
"""What is committed to. Every digest of a text is ``text``, so that they join wherever they are."""

PREFIX: Final = b"ragtrace/commitment/v1"
REMEMBERED: Final = 4096
"""Kept at hand: digests of chunks, of which a store in use finds the same again and again; reasons
and readers."""

SaltsOf = Callable[[Iterable[tuple[str, str]]], Mapping[tuple[str, str], str]]
"""Gives the salts of many users and sessions, by kind and name."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Commitments:
    """Stands for a name without telling it: SHA-256 over a salt and the name.

    The salt is an HMAC of the name under a key that does not leave the store. Who lacks it cannot
    try names out; who is given the salt of one name can check that one, and no other.

    Args:
        key: 32 bytes.
        salts_of: Gives the salts of what has a key of its own that can be destroyed: users and
            sessions; ``None`` where all salts are of ``key``.
    """

    def __init__(self, key: bytes, salts_of: SaltsOf | None = None) -> None:
        self._key = key
        self._salts_of = salts_of
        self._met: dict[tuple[str, str], str] = {}
        self.id: Final = self._hmac("id", "")[:8].hex()
        """Names the key, and tells nothing of it."""
        self._kept = lru_cache(REMEMBERED)(self._made)

    def meet(self, names: Iterable[tuple[str, str]]) -> None:
        """Keep what stands for these users and sessions at hand, until others are met.

        Their salts are asked for together, which one by one takes some 50 us each.
        """
        if self._salts_of is not None:
            salts = self._salts_of({(kind, name) for kind, name in names if name})
            self._met = {
                (kind, name): commitment(kind, salt.encode(), name)
                for (kind, name), salt in salts.items()
            }

    def of(self, kind: Kind, name: str) -> str:
        """Give what stands for ``name``, 64 hex digits; nothing stands for nothing."""
        if kind == "user" or kind == "session":
            return self._met.get((kind, name)) or self.once(kind, name)
        return self._kept(kind, name) if name else ""

    def once(self, kind: Kind, name: str) -> str:
        """As ``of``, for what hardly comes again: it is not kept."""
        return self._made(kind, name) if name else ""

    def salt(self, kind: Kind, name: str) -> bytes:
        """Give what opens the commitment to ``name``, and only that."""
        if self._salts_of is not None and (kind == "user" or kind == "session"):
            return self._salts_of([(kind, name)])[kind, name].encode()
        return self._hmac(kind, name)

    def within(self, text: str) -> str:
        """Put commitments in the place of digests that stand in an id."""
        return _DIGEST.sub(lambda found: self.of("text", found[0]), text)

    def _made(self, kind: Kind, name: str) -> str:
        return commitment(kind, self.salt(kind, name), name)

    def _hmac(self, kind: str, name: str) -> bytes:
        plain = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, plain, "sha256")


def commitment(kind: str, salt: bytes, name: str) -> str:
    """What stands for ``name`` under ``salt``."""
    parts = (PREFIX, kind.encode(), salt, name.encode("utf-8", "surrogatepass"))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
