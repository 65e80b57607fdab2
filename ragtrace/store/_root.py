"""Root: the key that wraps the keyring, and how it is come by."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ragtrace import config
from ragtrace.errors import ConfigError, MissingDependencyError, StoreError

__all__ = ["KEY_BYTES", "READABLE_BY_OTHERS", "Wrap", "has_vault_key", "vault_key"]

KEY_BYTES: Final = 32
"""AES-256."""
READABLE_BY_OTHERS: Final = 0o077
"""Modes of a file that anybody but its owner can use."""
COMMAND_SECONDS: Final = 30.0
"""Of a command that asks a key service: those answer within a second, and a sign-in takes some."""
KEYS: Final = (config.VAULT_KEY, config.VAULT_KEY_COMMAND, config.VAULT_KEY_FILE)
"""Where a root key may come from, the first of these that is set."""
NONCE_BYTES: Final = 12
"""What GCM is specified for."""


def has_vault_key(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a root key is to be had at all; neither is a file read nor a command run."""
    env = os.environ if environ is None else environ
    return any(setting.value(env) is not None for setting in KEYS)


def vault_key(environ: Mapping[str, str] | None = None) -> bytes | None:
    """Come by the root key: ``RAGTRACE_VAULT_KEY``, else a command, else a file; if any is set.

    ``RAGTRACE_VAULT_KEY_COMMAND`` is run without a shell, and says base64 of the key. Where
    ``RAGTRACE_VAULT_KEY_FILE`` is set too, the command is given what is in the file, to unwrap it.

    Raises:
        ConfigError: The file cannot be read, or others than its owner can read it, the command
            fails or takes too long, or what either says is not base64 of 32 bytes.
    """
    env = os.environ if environ is None else environ
    text, command = config.VAULT_KEY.value(env), config.VAULT_KEY_COMMAND.value(env)
    file = config.VAULT_KEY_FILE.value(env)
    if text is not None:
        return _key(text, config.VAULT_KEY.variable)
    if command is not None:
        wrapped = _held(file, private=False) if file is not None else b""
        return _key(_said(command, wrapped), config.VAULT_KEY_COMMAND.variable)
    if file is not None:
        held = _held(file, private=True).decode("ascii", "replace")
        return _key(held, config.VAULT_KEY_FILE.variable)
    return None


def _key(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: expected base64 of {KEY_BYTES} bytes")
    return key


def _held(file: str, *, private: bool) -> bytes:
    where = config.VAULT_KEY_FILE.variable
    try:
        if private and Path(file).stat().st_mode & READABLE_BY_OTHERS:
            raise ConfigError(f"{where}: others can read the file: expected chmod 600")
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: cannot be read: {type(error).__name__}") from None


def _said(command: str, given: bytes) -> str:
    """What a command says; neither that nor its complaints are ever repeated.

    Raises:
        ConfigError: It cannot be run, fails, or takes too long.
    """
    where = config.VAULT_KEY_COMMAND.variable
    try:
        words = shlex.split(command)
        done = subprocess.run(
            words,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"{where}: cannot be run: {type(error).__name__}") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{where}: not done after {COMMAND_SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        raise ConfigError(f"{where}: exit status {done.returncode}: expected 0 and a key in base64")
    return done.stdout.decode("ascii", "replace")


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
