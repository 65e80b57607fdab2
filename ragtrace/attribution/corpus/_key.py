"""Key: the secret of an index, and what is derived from it."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ragtrace.attribution.corpus._files import sync_directory, told
from ragtrace.errors import CorpusIndexError

__all__ = ["KEY_BYTES", "Key", "key_file", "resolve_key"]

_KEY_FILE: Final = "key"
"""Where the key stands unless it is kept elsewhere: in the index directory itself."""

KEY_BYTES: Final = 32
"""What BLAKE2b takes well; nobody guesses it."""

DIGEST_BYTES: Final = 16
"""Of the keyed digest of a document's symbols: no two documents share one by accident."""


class Key:
    """The secret that makes an index unreadable without it.

    Hashes of text without a key can be looked up in a dictionary of known sentences. The
    seeds are a keyed polynomial and no MAC: who holds the index and can ask it questions
    learns from it, so the index is confidential all the same.

    Args:
        secret: 32 bytes.

    Raises:
        CorpusIndexError: It has another length.
    """

    __slots__ = ("_digest", "_name", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise CorpusIndexError(f"key: expected {KEY_BYTES} bytes, got {len(secret)}")
        self._secret = secret
        self._digest = blake2b(key=self.derive("digest", KEY_BYTES), digest_size=DIGEST_BYTES)
        self._name = blake2b(key=self.derive("name", KEY_BYTES), digest_size=8)

    @classmethod
    def read(cls, path: Path) -> Key:
        """The key in a file, 64 hex digits.

        Raises:
            CorpusIndexError: It cannot be read, or holds something else.
        """
        try:
            return cls(bytes.fromhex(path.read_text("ascii")))
        except OSError as error:
            raise CorpusIndexError(f"{path}: {error.strerror or error}") from None
        except (ValueError, CorpusIndexError):
            expected = f"expected a key of {2 * KEY_BYTES} hex digits"
            raise CorpusIndexError(f"{path}: {expected}") from None

    def save(self, path: Path) -> None:
        """Put the key into a new file that only its owner may read.

        Raises:
            CorpusIndexError: It cannot be written.
        """
        # Under another name first: a key cut short by a crash would lock everybody out.
        made = path.with_name(path.name + ".tmp")
        with told(path):
            made.unlink(missing_ok=True)
            with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self._secret.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(made, path)
            sync_directory(path.parent)

    @property
    def check(self) -> str:
        """Tells a wrong key from the right one without giving it away."""
        return self.derive("check", 16).hex()

    def derive(self, purpose: str, size: int) -> bytes:
        """Bytes for one purpose that tell nothing about those for another."""
        return blake2b(purpose.encode(), key=self._secret, digest_size=size).digest()

    def digest(self, symbols: str) -> bytes:
        """The keyed name of a text's symbols, DIGEST_BYTES long."""
        made = self._digest.copy()  # keying anew would cost as much as hashing 1 KB
        made.update(symbols.encode("utf-8", "surrogatepass"))
        return made.digest()

    def name(self, id: str) -> int:
        """A 64-bit keyed hash of a document's id, to find it by."""
        made = self._name.copy()
        made.update(id.encode("utf-8", "surrogatepass"))
        return int.from_bytes(made.digest(), "little")


def resolve_key(directory: Path, given: bytes | str | Path | None) -> Key:
    """The key of the index in ``directory``.

    Args:
        directory: The index.
        given: The secret itself, or its file; ``None`` for the file in the directory.

    Raises:
        CorpusIndexError: There is none, or it is none.
    """
    path = key_file(directory, given)
    return Key(given) if isinstance(given, bytes) else Key.read(path)


def key_file(directory: Path, given: bytes | str | Path | None) -> Path:
    """Where the key of the index stands, where it is not given itself."""
    return directory / _KEY_FILE if given is None or isinstance(given, bytes) else Path(given)
