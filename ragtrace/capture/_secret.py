"""Secret: a key that a setting names the file of."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Final

from ragtrace.errors import ConfigError

__all__ = ["SECRET_BYTES", "read_secret"]

SECRET_BYTES: Final = 32
"""What AES-256 takes, and as much as HMAC-SHA-256 makes use of."""


def read_secret(path: str, variable: str, *, longer: bool = False) -> bytes:
    """The key in a file, as base64.

    Args:
        path: Of the file.
        variable: The setting that names it, for the message.
        longer: Whether a key of more than SECRET_BYTES will do.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    try:
        key = base64.b64decode(Path(path).read_text("ascii").strip(), validate=True)
    except OSError as error:
        raise ConfigError(f"{variable}: cannot be read: {type(error).__name__}") from None
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < SECRET_BYTES or (len(key) > SECRET_BYTES and not longer):
        least = "at least " if longer else ""
        raise ConfigError(f"{variable}: expected base64 of {least}{SECRET_BYTES} bytes")
    return key
