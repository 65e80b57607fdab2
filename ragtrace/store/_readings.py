"""Readings: who was given which texts, written down before they are given."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from ragtrace.errors import StoreError
from ragtrace.store._engine import Engine
from ragtrace.store._rows import Row

__all__ = ["READINGS", "Reading", "Readings"]

ID_BYTES: Final = 8
"""Of a reading's id."""
MOST_DIGESTS: Final = 1000
"""Digests of one reading that are written down; how many there were stands beside them."""


@dataclass(frozen=True, slots=True)
class Reading(Row):
    """Texts that somebody asked for at once.

    Attributes:
        id: 16 hexadecimal digits.
        time_ns: When, nanoseconds since the epoch.
        reader: Name of the access.
        digests: Of the texts that were given, and of those that were refused, the first 1000.
        levels: Of the texts that were given.
        texts: How many were given.
        refused: How many are kept, and not for this reader.
    """

    id: str
    time_ns: int
    reader: str
    digests: tuple[str, ...]
    levels: tuple[str, ...]
    texts: int
    refused: int

    @classmethod
    def of(cls, reader: str, given: Iterable[tuple[str, str]], refused: Iterable[str]) -> Reading:
        """What is read now.

        Args:
            reader: Name of the access.
            given: Digests and levels.
            refused: Digests.
        """
        texts, kept_back = sorted(given), sorted(refused)
        digests = [name for name, _ in texts] + kept_back
        return cls(
            secrets.token_hex(ID_BYTES),
            time.time_ns(),
            reader,
            tuple(digests[:MOST_DIGESTS]),
            tuple(sorted({level for _, level in texts})),
            len(texts),
            len(kept_back),
        )


class Readings:
    """Writes readings down, those that come together in one insert.

    Args:
        engine: Where to.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._waiting: list[Reading] = []
        self._failed: dict[str, str] = {}

    def note(self, reading: Reading) -> None:
        """Write a reading down; it is on disk when this returns.

        Raises:
            StoreError: It is not: nothing may be shown.
        """
        self._waiting.append(reading)
        with self._turn:
            if reading in self._waiting:
                batch, self._waiting = self._waiting, []
                self._write(batch)
            failed = self._failed.pop(reading.id, None)
        if failed is not None:
            raise StoreError(f"reading: not written down, so nothing is shown: {failed}")

    def _write(self, batch: list[Reading]) -> None:
        try:
            with self._engine.writing("store: readings") as client:
                client.insert(**_insert(batch))
        except StoreError as error:
            self._failed |= {one.id: str(error) for one in batch}
        except BaseException as error:  # who waits for this thread must not take it for written
            self._failed |= {one.id: type(error).__name__ for one in batch}
            raise


_TYPES: Final = {
    "Reading": "String",
    "Timestamp": "DateTime64(9, 'UTC')",
    "Reader": "LowCardinality(String)",
    "Digests": "Array(String)",
    "Levels": "Array(LowCardinality(String))",
    "Texts": "UInt32",
    "Refused": "UInt32",
}


def _insert(batch: list[Reading]) -> dict[str, Any]:
    return {
        "table": "readings",
        "data": [[getattr(one, name.name) for name in fields(one)] for one in batch],
        "column_names": list(_TYPES),
        "column_type_names": list(_TYPES.values()),
    }


READINGS: Final = """
SELECT Reading, toUnixTimestamp64Nano(Timestamp), Reader, Digests, Levels, Texts, Refused
FROM readings WHERE {may_readings} AND Timestamp >= fromUnixTimestamp64Nano({since:Int64})
ORDER BY Timestamp DESC, Reading
LIMIT 1 BY Reading
LIMIT {limit:UInt32}
"""
