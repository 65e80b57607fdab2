"""Ids: names of requests, which nobody can guess."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["new_id"]

AT_ONCE: Final = 128
"""Ids that the system's random numbers are asked for at once: one question takes as long as a
hundred ids."""

_BYTES: Final = 16
_ready: Final[list[str]] = []


def new_id() -> str:
    """32 hex digits that were never given before. Safe to use from several threads.

    The system's own random numbers, and not Python's: who knows the id of an open request may
    have a step belong to it, and applications seed Python's.
    """
    while True:
        try:
            return _ready.pop()
        except IndexError:
            drawn = os.urandom(_BYTES * AT_ONCE).hex()
            size = 2 * _BYTES
            _ready.extend(drawn[at : at + size] for at in range(0, len(drawn), size))


if hasattr(os, "register_at_fork"):  # a child must not give the ids that its parent gives
    os.register_at_fork(after_in_child=_ready.clear)
