"""Vault: texts at rest are compressed and sealed, and open only as what they were sealed as."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ragtrace.errors import MissingDependencyError, StoreError
from ragtrace.store._keyring import Key, Keyring
from ragtrace.store._reader import ContentLike
from ragtrace.store._root import KEY_BYTES
from ragtrace.store._words import WordIndex

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Vault"]

NONCE_BYTES: Final = 12
"""What GCM is specified for; drawn at random, though hardly a key seals a second text."""
FORMAT: Final = b"\x02"
"""First byte of a sealed text, so that another cipher can follow one day."""


class Vault:
    """Seals and opens texts: zstd, then AES-256-GCM over digest, kind and level as well.

    A text's key is HKDF-SHA256 of its level's key and the seed that its subject has for its
    digest: without either, nothing opens.

    Args:
        keyring: Closed with it.

    Raises:
        MissingDependencyError: ``cryptography`` or ``zstandard`` is not installed.
    """

    def __init__(self, keyring: Keyring) -> None:
        try:
            import zstandard
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers import aead
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ModuleNotFoundError as missing:
            raise MissingDependencyError(missing.name or "cryptography", "server") from None
        self._aes, self._hkdf, self._sha256 = aead.AESGCM, HKDF, SHA256
        self._forged = InvalidTag
        self._zstd = zstandard
        self.keyring: Final = keyring
        self.words: Final = WordIndex(keyring.derived(b"ragtrace words"))
        """Finds sealed texts by their words."""
        self.chain_key: Final = keyring.derived(b"ragtrace chain")
        """Under which digests of texts stand in the chain of decisions."""

    def pseudonyms(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Give 32 hexadecimal digits for each user or session, by kind and name, which stand for it
        until it is shredded.

        Nobody can tell a name from them, or try names out, without the keyring and its root
        key; once the name is shredded nobody can at all, and it has other ones from then on.

        Raises:
            StoreError: The keyring cannot be read or written.
        """
        subjects = {f"{kind}:{name}": (kind, name) for kind, name in names}
        found = self.keyring.pseudonyms(subjects)
        return {name: found[subject] for subject, name in subjects.items()}

    def pseudonym(self, kind: str, name: str) -> str:
        """The one of a single user or session.

        Raises:
            StoreError: The keyring cannot be read or written.
        """
        return self.pseudonyms([(kind, name)])[kind, name]

    def keys(self, records: Sequence[ContentLike]) -> list[Key]:
        """Give the keys that seal ``records``, in their order; missing ones are made.

        Raises:
            StoreError: The keyring cannot be read or written.
        """
        found = self.keyring.keys((record.subject, record.level) for record in records)
        return [found[record.subject, record.level] for record in records]

    def seal(self, record: ContentLike, key: Key) -> bytes:
        """Seal the text of ``record``; it opens only under the same digest, kind, level, key.

        A text that was shredded alone and comes again is not kept: empty.
        """
        cipher = self._cipher(key, record.digest)
        if cipher is None:
            return b""
        nonce = os.urandom(NONCE_BYTES)
        plain = record.text.encode("utf-8", "surrogatepass")
        packed = self._zstd.ZstdCompressor().compress(plain)
        about = _about(record.digest, record.kind, record.level, key.id)
        return FORMAT + nonce + cipher.encrypt(nonce, packed, about)

    def open(self, sealed: bytes, *, digest: str, kind: str, level: str, key: str) -> str:
        """Open what ``seal`` gave.

        Args:
            sealed: As it is stored.
            digest: Of the text.
            kind: As it was filed.
            level: As it was filed.
            key: The id of the key.

        Raises:
            StoreError: The key was destroyed, or the text or its label was changed.
        """
        nonce = sealed[len(FORMAT) : len(FORMAT) + NONCE_BYTES]
        body = sealed[len(FORMAT) + NONCE_BYTES :]
        if not sealed.startswith(FORMAT) or len(nonce) != NONCE_BYTES:
            raise StoreError(f"vault: {kind} {digest} is not in a format this program knows")
        found = self.keyring.key(key)
        cipher = self._cipher(found, digest) if found is not None else None
        if cipher is None:
            raise StoreError(f"vault: {kind} {digest} does not open: its key is not in the keyring")
        try:
            packed = cipher.decrypt(nonce, body, _about(digest, kind, level, key))
        except self._forged:
            raise StoreError(
                f"vault: {kind} {digest} does not open: it, or what is said of it, was changed"
            ) from None
        plain: bytes = self._zstd.ZstdDecompressor().decompress(packed)
        return plain.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Let go of the keyring."""
        self.keyring.close()

    def _cipher(self, key: Key, digest: str) -> AESGCM | None:
        seed = key.seeds.leaf(digest)
        if seed is None:
            return None
        derive = self._hkdf(self._sha256(), KEY_BYTES, None, b"ragtrace text")
        return self._aes(derive.derive(key.of_level + seed))


def _about(digest: str, kind: str, level: str, key: str) -> bytes:
    return json.dumps([digest, kind, level, key]).encode("ascii")
