"""Vault: texts at rest are compressed and sealed, and open only as what they were sealed as."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ragtrace import config
from ragtrace.errors import ConfigError, MissingDependencyError, StoreError
from ragtrace.store._reader import ContentLike
from ragtrace.store._words import WordIndex

__all__ = ["Vault", "vault_key"]

KEY_BYTES: Final = 32
"""AES-256."""
READABLE_BY_OTHERS: Final = 0o077
"""Modes of a file that anybody but its owner can use."""
NONCE_BYTES: Final = 12
"""What GCM is specified for; drawn at random, safe for some 4 billion texts a key."""
FORMAT: Final = b"\x01"
"""First byte of a sealed text, so that another cipher can follow one day."""


def vault_key(environ: Mapping[str, str] | None = None) -> bytes | None:
    """Read the vault's key from ``RAGTRACE_VAULT_KEY`` or the file beside it, if either is set.

    Raises:
        ConfigError: The file cannot be read, or others than its owner can read it, or what
            is there is not base64 of 32 bytes.
    """
    env = os.environ if environ is None else environ
    text, where = config.VAULT_KEY.value(env), config.VAULT_KEY.variable
    file = config.VAULT_KEY_FILE.value(env)
    if text is None and file is not None:
        where = config.VAULT_KEY_FILE.variable
        try:
            if Path(file).stat().st_mode & READABLE_BY_OTHERS:
                raise ConfigError(f"{where}: others can read the file: expected chmod 600")
            text = Path(file).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(f"{where}: cannot be read: {type(error).__name__}") from None
    if text is None:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: expected base64 of {KEY_BYTES} bytes")
    return key


class Vault:
    """Seals and opens texts: zstd, then AES-256-GCM over digest, kind and level as well.

    Args:
        key: 32 bytes.

    Raises:
        StoreError: The key has another length.
        MissingDependencyError: ``cryptography`` or ``zstandard`` is not installed.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise StoreError(f"vault: expected a key of {KEY_BYTES} bytes, found {len(key)}")
        try:
            import zstandard
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError as missing:
            raise MissingDependencyError(missing.name or "cryptography", "server") from None
        self._cipher = AESGCM(key)
        self._forged = InvalidTag
        self._zstd = zstandard
        self.words: Final = WordIndex(key)
        """Finds sealed texts by their words."""
        self.chain_key: Final = hmac.digest(key, b"ragtrace chain", "sha256")
        """Under which digests of texts stand in the chain of decisions."""

    def pseudonym(self, kind: str, name: str) -> str:
        """Give 32 hexadecimal digits that stand for a name."""
        plain = f"{kind}:{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.chain_key, plain, "sha256")[:16].hex()

    def seal(self, record: ContentLike) -> bytes:
        """Seal the text of ``record``; it opens only under the same digest, kind and level."""
        nonce = os.urandom(NONCE_BYTES)
        plain = record.text.encode("utf-8", "surrogatepass")
        packed = self._zstd.ZstdCompressor().compress(plain)
        about = _about(record.digest, record.kind, record.level)
        return FORMAT + nonce + self._cipher.encrypt(nonce, packed, about)

    def open(self, sealed: bytes, *, digest: str, kind: str, level: str) -> str:
        """Open what ``seal`` gave.

        Raises:
            StoreError: The key is another one, or the text or its label was changed.
        """
        nonce = sealed[len(FORMAT) : len(FORMAT) + NONCE_BYTES]
        body = sealed[len(FORMAT) + NONCE_BYTES :]
        if not sealed.startswith(FORMAT) or len(nonce) != NONCE_BYTES:
            raise StoreError(f"vault: {kind} {digest} is not in a format this program knows")
        try:
            packed = self._cipher.decrypt(nonce, body, _about(digest, kind, level))
        except self._forged:
            raise StoreError(
                f"vault: {kind} {digest} does not open: it was sealed with another key, "
                "or it was changed since"
            ) from None
        plain: bytes = self._zstd.ZstdDecompressor().decompress(packed)
        return plain.decode("utf-8", "surrogatepass")


def _about(digest: str, kind: str, level: str) -> bytes:
    return json.dumps([digest, kind, level]).encode("ascii")
