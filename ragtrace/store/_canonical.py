"""Canonical: one way to write a record as bytes, RFC 8785, so that equal records hash equally."""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring
from typing import Any, Final

__all__ = ["as_bytes", "canonical", "quoted", "sha256_of"]

_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
).encode
"""For keys in ASCII and numbers without a fraction, which is all we hash, the encoder writes what
RFC 8785 asks for; ``tests/store/test_canonical.py`` holds it against the verifier's own writer."""

quoted: Final = encode_basestring
"""A string as RFC 8785 writes it: what is written often is put together from these."""


def canonical(tree: dict[str, Any] | list[Any]) -> bytes:
    """Write ``tree`` as JSON Canonicalization Scheme (RFC 8785).

    Args:
        tree: Strings, whole numbers within 2^53, booleans, null, and lists and objects of them,
            the keys in ASCII. Anything with a fraction or a larger number goes in as a string.
    """
    return as_bytes(_ENCODE(tree))


def as_bytes(written: str) -> bytes:
    """What is hashed of JSON that is canonical as it stands."""
    # Half a character has no UTF-8; the engine gives none, so a replacement hides no difference.
    return written.encode("utf-8", "replace")


def sha256_of(tree: dict[str, Any] | list[Any]) -> str:
    """The SHA-256 of ``tree`` in canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(tree)).hexdigest()
