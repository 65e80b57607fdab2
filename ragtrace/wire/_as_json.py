"""As JSON: how every attribute of ours that is JSON is written."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["as_json"]

_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), default=str).encode
"""In ASCII; made once: ``json.dumps`` makes an encoder for each value."""


def as_json(value: object) -> str:
    """Write ``value`` as every attribute of ours that is JSON is written.

    Half a character, which a file's name may hold, is replaced: of a JSON with one in it, the
    engine reads nothing at all.
    """
    text = _ENCODE(value)
    if "\\ud" in text:  # so are whole ones, such as emoji, which come out as they were
        plain = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")
        text = _ENCODE(json.loads(plain))
    return text
