"""Content ids: the same text has the same name everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final

__all__ = ["digest", "digest_messages"]

_ENCODE: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
"""Made once: ``json.dumps`` makes an encoder for each value."""


def digest(text: str) -> str:
    """Name ``text`` by the SHA-256 of its UTF-8 bytes, 64 lower-case hex digits.

    A lone surrogate, which UTF-8 cannot carry, is hashed by its code point, so that
    every Python string has a name.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_messages(messages: Sequence[tuple[str, str]]) -> str:
    """Name an ordered list of ``(role, text)`` pairs; order, roles and boundaries count."""
    return digest(_ENCODE(messages))
