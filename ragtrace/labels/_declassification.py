"""Declassification: who has released which text, why and until when, and who took it back."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ragtrace.model import Label

__all__ = [
    "DECLASSIFIED_AT_MOST",
    "MAX_DECLASSIFIED_LINE",
    "Declassification",
    "Revocation",
    "entry",
]

DECLASSIFIED_AT_MOST: Final = timedelta(days=365)
"""How long a text may be released: whoever did it, somebody looks at it again within a year."""

MAX_DECLASSIFIED_LINE: Final = 10_000
"""Bytes of a line; one takes some four hundred, and more where a reason is long."""

MAX_NAME: Final = 200
"""Characters of a name, as everywhere in a policy."""

MAX_REASON: Final = 400
"""Characters of a reason, as everywhere in a policy."""

FIRST: Final = "0" * 64
"""What stands for the line before the first."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = 16
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Declassification:
    """One text that somebody has released.

    Attributes:
        digest: Of the text, as ``ragtrace.model.digest`` gives it.
        level: What it carries at most.
        compartments: Which of its compartments stay.
        by: Who did it.
        reason: Why.
        at: When, UTC and whole seconds; before, it does nothing.
        expires: From when it does nothing any more, UTC and whole seconds.
        previous: SHA-256 of the line before it, with its end.
        id: The first 16 hex digits of the SHA-256 of all of this.

    Raises:
        ValueError: One of them cannot be; the message says what was expected.
    """

    digest: str
    level: str
    compartments: frozenset[str]
    by: str
    reason: str
    at: datetime
    expires: datetime
    previous: str = FIRST
    id: str = field(init=False)

    def __post_init__(self) -> None:
        _check(_is_digest(self.digest), "digest", "64 lower-case hex digits", self.digest)
        _check(_is_name(self.level), "level", "the name of a level", self.level)
        for name in self.compartments:
            _check(_is_name(name), "compartments", "names", name)
        _check_signed(self.by, self.reason, self.at, self.previous)
        lasts = _is_time(self.expires) and timedelta(0) < self.expires - self.at
        if not lasts or self.expires - self.at > DECLASSIFIED_AT_MOST:
            days = DECLASSIFIED_AT_MOST.days
            raise ValueError(f"expires: expected a time after, and at most {days} days from, now")
        object.__setattr__(self, "id", _id(self._said()))
        _check_length(self.line())

    @property
    def label(self) -> Label:
        """The most that is left of the text's label. Of whether it is true it says nothing."""
        return Label(self.level, self.compartments, integrity="untrusted")

    def line(self) -> bytes:
        """Its line in a file, with the end."""
        return _line(self.id, self._said())

    def as_json(self) -> dict[str, Any]:
        """All of it, as its line has it."""
        return {"id": self.id} | self._said()

    def _said(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "level": self.level,
            "compartments": sorted(self.compartments),
            "by": self.by,
            "reason": self.reason,
            "at": self.at.strftime(_TIME),
            "expires": self.expires.strftime(_TIME),
            "previous": self.previous,
        }


@dataclass(frozen=True, slots=True)
class Revocation:
    """A declassification that somebody has taken back, from when this is read.

    Attributes:
        revokes: Its id.
        by: Who did it.
        reason: Why.
        at: When.
        previous: SHA-256 of the line before it, with its end.
        id: The first 16 hex digits of the SHA-256 of all of this.

    Raises:
        ValueError: One of them cannot be; the message says what was expected.
    """

    revokes: str
    by: str
    reason: str
    at: datetime
    previous: str = FIRST
    id: str = field(init=False)

    def __post_init__(self) -> None:
        _check(_is_name(self.revokes), "revokes", "the id of a declassification", self.revokes)
        _check_signed(self.by, self.reason, self.at, self.previous)
        object.__setattr__(self, "id", _id(self._said()))
        _check_length(self.line())

    def line(self) -> bytes:
        """Its line in a file, with the end."""
        return _line(self.id, self._said())

    def as_json(self) -> dict[str, Any]:
        """All of it, as its line has it."""
        return {"id": self.id} | self._said()

    def _said(self) -> dict[str, Any]:
        return {
            "revokes": self.revokes,
            "by": self.by,
            "reason": self.reason,
            "at": self.at.strftime(_TIME),
            "previous": self.previous,
        }


def entry(line: bytes) -> Declassification | Revocation:
    """What one line of a file records.

    Raises:
        ValueError: It is not as it was written; the message says what was expected.
    """
    _check_length(line)
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("expected a line of JSON") from None
    if not isinstance(said, dict):
        raise ValueError(f"expected an object, got {type(said).__name__}")
    made = _revocation(said) if "revokes" in said else _declassification(said)
    # This says of every key, space and digit that it is as it was written.
    if made.line() != line:
        raise ValueError("expected the line as it was written: it was changed, or is not whole")
    return made


def _declassification(said: dict[str, Any]) -> Declassification:
    listed = said.get("compartments")
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ValueError(f"compartments: expected a list of names, got {listed!r}")
    return Declassification(
        digest=_text(said, "digest"),
        level=_text(said, "level"),
        compartments=frozenset(listed),
        by=_text(said, "by"),
        reason=_text(said, "reason"),
        at=_moment(said, "at"),
        expires=_moment(said, "expires"),
        previous=_text(said, "previous"),
    )


def _revocation(said: dict[str, Any]) -> Revocation:
    return Revocation(
        revokes=_text(said, "revokes"),
        by=_text(said, "by"),
        reason=_text(said, "reason"),
        at=_moment(said, "at"),
        previous=_text(said, "previous"),
    )


def _text(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected text, got {type(value).__name__}")
    return value


def _moment(said: dict[str, Any], key: str) -> datetime:
    text = _text(said, key)
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{key}: expected a time as 2026-12-31T00:00:00Z, got {text!r}") from None


def _check_signed(by: str, reason: str, at: datetime, previous: str) -> None:
    _check(_is_name(by), "by", f"who, in 1 to {MAX_NAME} characters", by)
    said = isinstance(reason, str) and bool(reason.strip()) and len(reason) <= MAX_REASON
    _check(said, "reason", f"why, in 1 to {MAX_REASON} characters", reason)
    _check(_is_time(at), "at", "whole seconds, UTC", at)
    _check(_is_digest(previous), "previous", "64 lower-case hex digits", previous)


def _check(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        shown = repr(got)
        shown = shown if len(shown) <= MAX_NAME else f"{shown[:MAX_NAME]}…"
        raise ValueError(f"{key}: expected {expected}, got {shown}")


def _check_length(line: bytes) -> None:
    if len(line) > MAX_DECLASSIFIED_LINE:
        raise ValueError(f"expected at most {MAX_DECLASSIFIED_LINE} bytes on a line")


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _is_name(text: str) -> bool:
    return isinstance(text, str) and bool(text.strip()) and len(text) <= MAX_NAME


def _is_time(moment: datetime) -> bool:
    return moment.utcoffset() == timedelta(0) and moment.microsecond == 0


def _id(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_ID]


def _line(id: str, said: dict[str, Any]) -> bytes:
    return json.dumps({"id": id} | said).encode() + b"\n"
