"""Whole file: an answer that is kept in a file, which is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ragtrace.errors import StoreError

__all__ = ["write_whole"]


def write_whole(out: Path, parts: Iterable[bytes]) -> None:
    """Write ``parts`` to ``out``, which its owner alone can read; what was there is replaced.

    A pipe or a device, which cannot be replaced, is written to.

    Raises:
        StoreError: It cannot be written; what was there is as it was.
    """
    direct = out.exists() and not out.is_file()
    target = out if direct else out.with_name(f".{out.name}.{os.getpid()}")
    flags = os.O_WRONLY if direct else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            file.writelines(parts)
        if not direct:
            os.replace(target, out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        if not direct:
            target.unlink(missing_ok=True)
