"""Seal: entries that only who has the key can read, or make."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any, Final

from ragtrace.capture._secret import SECRET_BYTES
from ragtrace.errors import MissingDependencyError, RagtraceError

__all__ = ["ORIGIN_BYTES", "Seal", "SealError"]

ORIGIN_BYTES: Final = 16
"""Of the name a process gives itself, drawn at random: no two are the same by accident."""

_NONCE_BYTES: Final = 12
"""What GCM is specified for."""

_NUMBER_BYTES: Final = 8


class SealError(RagtraceError):
    """Something was sealed with another key, elsewhere or at another place, or was changed."""


class Seal:
    """Seals the entries of one process, and opens those of all: AES-256-GCM.

    Each process has a key of its own, derived from the shared one and from its name, and numbers
    its entries: that number is the nonce, so none is ever used twice under a key. Name, number
    and place are sealed too: an entry opens only as the one it is.

    Args:
        key: 32 bytes, that all processes share.
        place: Where the entries are kept, and in which version.

    Raises:
        MissingDependencyError: ``cryptography`` is not installed.
    """

    def __init__(self, key: bytes, place: bytes) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError:
            raise MissingDependencyError("cryptography", "redis") from None
        self._key, self._place = key, place
        self._cipher, self._forged = AESGCM, InvalidTag
        self.origin: Final = os.urandom(ORIGIN_BYTES)
        self._own = self._of(self.origin)

    def renewed(self) -> Seal:
        """A seal for another process: the same key, another name."""
        return Seal(self._key, self._place)

    def seal(self, number: int, data: bytes) -> bytes:
        """``data`` as entry ``number`` of this process, which must be new."""
        sealed: bytes = self._own.encrypt(
            number.to_bytes(_NONCE_BYTES, "big"), data, self._about(self.origin, number)
        )
        return sealed

    def open(self, origin: bytes, number: int, sealed: bytes) -> bytes:
        """What process ``origin`` has sealed as its entry ``number``.

        Raises:
            SealError: It has not.
        """
        try:
            opened: bytes = self._of(origin).decrypt(
                number.to_bytes(_NONCE_BYTES, "big"), sealed, self._about(origin, number)
            )
        except (self._forged, OverflowError, ValueError):
            raise SealError("does not open") from None
        return opened

    def _of(self, origin: bytes) -> Any:
        made = blake2b(origin, key=self._key, digest_size=SECRET_BYTES, person=b"ragtrace-ledger")
        return self._cipher(made.digest())

    def _about(self, origin: bytes, number: int) -> bytes:
        return self._place + origin + number.to_bytes(_NUMBER_BYTES, "big")
