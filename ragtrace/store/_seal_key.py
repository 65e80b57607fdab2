"""SealKey: signs how far a chain had come, Ed25519, from a file that its owner alone can read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ragtrace import config
from ragtrace.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["SealKey", "key_id", "verifies"]

NAME: Final = "seal.pem"
"""In the store's directory, where no other file is named."""
READABLE_BY_OTHERS: Final = 0o077
ID_DIGITS: Final = 32
"""Hex digits of a key's id: 128 bits of the SHA-256 of the public key."""


def key_id(public: bytes) -> str:
    """Name a public key of 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:ID_DIGITS]


class SealKey:
    """An Ed25519 key pair; its ``repr`` shows no secret.

    Raises:
        MissingDependencyError: ``cryptography`` is not installed.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: Final = private.public_key().public_bytes_raw()
        """32 bytes."""
        self.id: Final = key_id(self.public)

    def __repr__(self) -> str:
        """Name it."""
        return f"SealKey({self.id})"

    @classmethod
    def of_environment(
        cls, directory: Path | None, environ: Mapping[str, str] | None = None
    ) -> SealKey | None:
        """Read the key that ``RAGTRACE_SEAL_KEY_FILE`` names, else the one beside the store.

        That is made where there is none yet. A store on a server has no directory: without the
        variable, it has no key.

        Raises:
            ConfigError: The file cannot be read, others can read it, or it holds no such key.
        """
        file = config.SEAL_KEY_FILE.value(os.environ if environ is None else environ)
        if file is not None:
            return cls.read(Path(file), config.SEAL_KEY_FILE.variable)
        if directory is None:
            return None
        path = directory / NAME
        return cls.read(path) if path.exists() else cls.new(path)

    @classmethod
    def read(cls, path: Path, where: str = "") -> SealKey:
        """Read a key from a PEM file (PKCS #8, without a passphrase).

        Raises:
            ConfigError: It cannot be read, others can read it, or it holds no such key.
        """
        ed25519, serialization = _cryptography()
        where = where or str(path)
        try:
            if path.stat().st_mode & READABLE_BY_OTHERS:
                raise ConfigError(f"{where}: others can read the file: expected chmod 600")
            pem = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{where}: cannot be read: {type(error).__name__}") from None
        private: Any = None
        with suppress(Exception):  # whatever is wrong with it, and nothing of what it holds
            private = serialization.load_pem_private_key(pem, None)
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            raise ConfigError(f"{where}: expected an Ed25519 key in PEM (PKCS #8), not encrypted")
        return cls(private)

    @classmethod
    def new(cls, path: Path) -> SealKey:
        """Make a key and write it to a new file, which its owner alone can read.

        Raises:
            ConfigError: The file is there already, or cannot be written.
        """
        ed25519, serialization = _cryptography()
        private = ed25519.Ed25519PrivateKey.generate()
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whole or not at all: a key that was cut off would end its chain.
            half = path.with_name(f"{path.name}.{os.getpid()}")
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(pem)
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(half, path)
            finally:
                half.unlink()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
        return cls(private)

    def sign(self, data: bytes) -> bytes:
        """Sign ``data``; 64 bytes, the same each time."""
        return self._private.sign(data)

    def public_pem(self) -> str:
        """The public key in PEM, for who is to verify."""
        _, serialization = _cryptography()
        pem: bytes = self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem.decode("ascii")

    def secret(self) -> bytes:
        """32 bytes that only this key gives, for what has no other secret."""
        seed = self._private.private_bytes_raw()
        return hashlib.sha256(b"ragtrace/seal/secret/v1\0" + seed).digest()


def verifies(public: bytes, signature: str, data: bytes) -> bool:
    """Whether ``signature``, in hex, is of ``data``, by the key whose public half this is."""
    from cryptography.exceptions import InvalidSignature

    ed25519, _ = _cryptography()
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise MissingDependencyError("cryptography", "server") from None
    return ed25519, serialization
