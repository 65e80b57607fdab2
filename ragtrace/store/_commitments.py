"""Commitments: names and digests under a key, the same each time, that can be opened singly."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Commitments", "Kind"]

Kind = Literal["reader", "reason", "session", "text", "user"]
"""What is committed to. Every digest of a text is ``text``, so that they join wherever they are."""

PREFIX: Final = b"ragtrace/commitment/v1"
REMEMBERED: Final = 4096
"""Digests kept at hand: the chunks of a store that is in use are found again and again."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Commitments:
    """Stands for a name without telling it: SHA-256 over a salt and the name.

    The salt is an HMAC of the name under a key that does not leave the store. Who lacks it cannot
    try names out; who is given the salt of one name can check that one, and no other.

    Args:
        key: 32 bytes.
        salt_of: Gives the salt of what has a key of its own that can be destroyed: users and
            sessions; ``None`` where all salts are of ``key``.
        meet: Has the keys of many of these made at once.
    """

    def __init__(
        self,
        key: bytes,
        salt_of: Callable[[str, str], str] | None = None,
        meet: Callable[[Iterable[tuple[str, str]]], None] = lambda _: None,
    ) -> None:
        self._key = key
        self._salt_of = salt_of
        self.meet: Final = meet
        """Told users and sessions, by kind and name, before they are asked for one by one."""
        self.id: Final = self._hmac("id", "")[:8].hex()
        """Names the key, and tells nothing of it."""
        self._text = lru_cache(REMEMBERED)(lambda name: self._made("text", name))

    def of(self, kind: Kind, name: str) -> str:
        """Give what stands for ``name``, 64 hex digits; nothing stands for nothing."""
        if not name:
            return ""
        return self._text(name) if kind == "text" else self._made(kind, name)

    def salt(self, kind: Kind, name: str) -> bytes:
        """Give what opens the commitment to ``name``, and only that."""
        if self._salt_of is not None and (kind == "user" or kind == "session"):
            return self._salt_of(kind, name).encode()
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
