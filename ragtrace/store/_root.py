"""Root: the key that wraps the keyring, and how it is come by."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ragtrace import config
from ragtrace.errors import ConfigError, MissingDependencyError, StoreError

__all__ = ["KEY_BYTES", "READABLE_BY_OTHERS", "Wrap", "vault_key"]

KEY_BYTES: Final = 32
"""AES-256."""
READABLE_BY_OTHERS: Final = 0o077
"""Modes of a file that anybody but its owner can use."""
NONCE_BYTES: Final = 12
"""What GCM is specified for."""


def vault_key(environ: Mapping[str, str] | None = None) -> bytes | None:
    """Read the root key from ``RAGTRACE_VAULT_KEY`` or the file beside it, if either is set.

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


class Wrap:
    """Seals the entries of a keyring, each under its name, with AES-256-GCM.

    Args:
        root: 32 bytes; another key is derived from it (HKDF-SHA256).

    Raises:
        StoreError: The key has another length.
        MissingDependencyError: ``cryptography`` is not installed.
    """

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_BYTES:
            raise StoreError(f"vault: expected a key of {KEY_BYTES} bytes, found {len(root)}")
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ModuleNotFoundError:
            raise MissingDependencyError("cryptography", "server") from None
        self._cipher = AESGCM(HKDF(SHA256(), KEY_BYTES, None, b"ragtrace keyring").derive(root))
        self._forged = InvalidTag

    def wrap(self, secret: bytes, name: str) -> bytes:
        """Seal a secret; it opens only under its name."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode("ascii"))

    def unwrap(self, wrapped: bytes, name: str) -> bytes | None:
        """Open what ``wrap`` gave; ``None`` where it was another root key, or was changed."""
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, name.encode("ascii"))
        except self._forged:
            return None
