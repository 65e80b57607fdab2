"""Content ids: the same text has the same name everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["digest", "digest_messages"]


def digest(text: str) -> str:
    """Name ``text`` by the SHA-256 of its UTF-8 bytes, 64 lower-case hex digits.

    A lone surrogate, which UTF-8 cannot carry, is hashed by its code point, so that
    every Python string has a name.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_messages(messages: Sequence[tuple[str, str]]) -> str:
    """Name an ordered list of ``(role, text)`` pairs; order, roles and boundaries count.

    Each string stands behind its length, so that nothing in a text can be taken for a boundary.
    """
    return digest("".join([f"{len(one)}:{one}" for pair in messages for one in pair]))
