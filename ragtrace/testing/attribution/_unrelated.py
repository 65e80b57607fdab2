"""Unrelated: text that is on any machine and was never indexed."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

__all__ = ["unrelated"]

PIECE: Final = 100_000
"""Characters of one piece, a large prompt."""

_KINDS: Final = frozenset({".py", ".pyi", ".txt", ".md", ".rst", ".html", ".h", ".c", ".js"})


def unrelated(megabytes: float) -> Iterator[str]:
    """Pieces of Python's own library and of what is installed beside it, each file once.

    Fewer megabytes where there are not so many.
    """
    left = int(megabytes * 1_000_000)
    kept: list[str] = []
    size = 0
    for text in _texts():
        kept.append(text)
        size += len(text)
        while size >= PIECE and left > 0:
            said = "\n".join(kept)
            yield said[:PIECE]
            kept, size = [said[PIECE:]], len(said) - PIECE
            left -= PIECE
        if left <= 0:
            return


def _texts() -> Iterator[str]:
    seen: set[bytes] = set()
    roots = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    for root in roots:
        for path in _files(root):
            if path.suffix not in _KINDS or not path.is_file():
                continue
            try:
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            name = blake2b(text.encode(), digest_size=16).digest()
            if name not in seen:
                seen.add(name)
                yield text


def _files(folder: str) -> Iterator[Path]:
    """Everything under ``folder``, in order, looked up no further than it is asked for."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield Path(entry.path)
