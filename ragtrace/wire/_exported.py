"""Exported: one row of another program's export, and what can be read off it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ragtrace.errors import WireError

__all__ = ["Exported", "as_attribute"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCALES: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (2**63, 1))
"""Numbers below the first are in units of so many nanoseconds: seconds, milliseconds and so on,
of a time between 1973 and 2106."""


class Exported:
    """A row; each reading names what it reads and the field where that is missing or wrong."""

    def __init__(self, row: Mapping[str, Any], what: str) -> None:
        self._row, self._what = row, what

    def get(self, *names: str) -> Any:
        """The first of the fields that is there and says something; ``None`` where none does."""
        for name in names:
            value = self._row.get(name)
            if value is not None and not (isinstance(value, float) and math.isnan(value)):
                return value
        return None

    def text(self, *names: str) -> str:
        """A text, empty where there is none.

        Raises:
            WireError: It is something else.
        """
        value = self.get(*names)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise WireError(f"{self._what}: {names[0]}: expected a text")
        return value

    def identifier(self, digits: int, *names: str) -> str:
        """So many hex digits; an id of another form gets those of its SHA-256, always the same.

        Returns:
            Empty where there is none.
        """
        given = self.text(*names).strip().lower()
        plain = given.replace("-", "") if digits == 32 else given
        if not given or re.fullmatch(rf"[0-9a-f]{{{digits}}}", plain):
            return plain
        return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:digits]

    def required(self, digits: int, *names: str) -> str:
        """As ``identifier``.

        Raises:
            WireError: There is none.
        """
        found = self.identifier(digits, *names)
        if not found:
            raise WireError(f"{self._what}: expected {names[0]}")
        return found

    def moment(self, *names: str) -> int | None:
        """Nanoseconds since the epoch of an ISO date, or of a number in whatever unit.

        Raises:
            WireError: It is neither, or before 1970 or after 2106.
        """
        value = self.get(*names)
        if value is None:
            return None
        found = _nanoseconds(value)
        if found is None or not 0 <= found < 2**32 * 10**9:
            raise WireError(f"{self._what}: {names[0]}: expected a time between 1970 and 2106")
        return found


def as_attribute(value: Any) -> str:
    """A value as attributes hold it: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _nanoseconds(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        there = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (there - _EPOCH) // timedelta(microseconds=1) * 1000
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        for below, unit in _SCALES:
            if abs(value) < below:
                return int(value * unit)
    return None
