"""Asked: the parameters of a question, checked before anything is read."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import HTTPException, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ragtrace.store import REACH_LIMIT, FlowFilter, Place

__all__ = [
    "PAGE_LIMIT",
    "TEXTS_LIMIT",
    "WORDS_LIMIT",
    "AskedFilter",
    "AskedNothing",
    "AskedPage",
    "AskedReach",
    "AskedTexts",
    "AskedWords",
    "cursor_of",
    "once_each",
]

PAGE_LIMIT: Final = 10_000
"""Rows of one page: some 10 MiB of JSON."""
PAGE: Final = 1000
"""Rows of a page that nobody said a number for."""
TEXTS_LIMIT: Final = 100
"""Digests of one question: more would not fit an address line."""
NAMES_LIMIT: Final = 100
"""Names of one question about reach."""
WORDS: Final = 50
WORDS_LIMIT: Final = 1000
"""Calls of one answer about words: for each, a text is opened and read."""
WORD_LENGTH: Final = 2000
"""Characters of one value; nothing that is stored under a name is called anything longer."""
CURSOR_LENGTH: Final = 200

_INT64: Final = 2**63
_UINT32: Final = 2**32
_AGO: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_ID: Final = re.compile(r"[0-9A-Za-z+/=_-]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: Any) -> int:
    """Nanoseconds since the epoch of a number of them, an ISO 8601 time, or ``30d`` ago."""
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) < _INT64:
        return int(text)
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, time.time_ns() - int(ago[1]) * _UNITS[ago[2]] * 10**9)
    try:
        given = datetime.fromisoformat(text)
        given = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
        nanoseconds = (given - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        raise ValueError("expected nanoseconds, an ISO 8601 time, or a period as in 30d") from None
    return min(max(0, nanoseconds), _INT64 - 1)


_MOMENT_SCHEMA: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": _INT64 - 1},
        {"type": "string", "pattern": "^[0-9]{1,6}[smhdw]$"},
        {"type": "string", "format": "date-time"},
    ]
}
Moment = Annotated[int, BeforeValidator(_moment)]
Word = Annotated[str, Field(max_length=WORD_LENGTH)]
# Left out is left out: an address line has no null, and the document is not to speak of one.
MomentIfAny = Annotated[Moment | None, WithJsonSchema(_MOMENT_SCHEMA)]
WordIfAny = Annotated[Word | None, WithJsonSchema({"type": "string", "maxLength": WORD_LENGTH})]
CursorIfAny = Annotated[
    Annotated[str, Field(max_length=CURSOR_LENGTH)] | None,
    WithJsonSchema({"type": "string", "maxLength": CURSOR_LENGTH}),
]


class AskedNothing(BaseModel):
    """A question without parameters; a misspelt one must not widen an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AskedFilter(AskedNothing):
    """Which rows: every condition that is given must hold."""

    since: MomentIfAny = Field(None, description="Not before; or so long ago, as in 30d.")
    until: MomentIfAny = Field(None, description="Before.")
    app: WordIfAny = Field(None, description="Name of the service.")
    audience: WordIfAny = None
    source: WordIfAny = None
    document: WordIfAny = None
    level: WordIfAny = None
    action: WordIfAny = Field(None, description="The decision.")
    rule: WordIfAny = None
    stage: WordIfAny = Field(None, description="retrieval or prompt.")
    session: WordIfAny = None
    user: WordIfAny = None
    tenant: WordIfAny = None

    @property
    def where(self) -> FlowFilter:
        """The filter."""
        given = {name: getattr(self, name) for name in AskedFilter.model_fields}
        return FlowFilter(service=given.pop("app"), **given)


class AskedPage(AskedFilter):
    """Which rows, and which page of them."""

    limit: int = Field(PAGE, ge=1, le=PAGE_LIMIT, description="Rows of the page.")
    cursor: CursorIfAny = Field(None, description="What the page before gave as next.")

    @property
    def after(self) -> Place | None:
        """Behind which row the page begins."""
        return None if self.cursor is None else _place(self.cursor)


class AskedReach(AskedPage):
    """What it is whose way is asked for: any of these names, and all of the conditions."""

    what: list[Word] = Field(
        [], max_length=NAMES_LIMIT, description="Documents, chunks, digests, URIs or sources."
    )
    limit: int = Field(REACH_LIMIT, ge=1, le=REACH_LIMIT, description="Rows of the page.")


class AskedWords(AskedFilter):
    """Words that a prompt or an answer must have, all of them."""

    what: Word = Field(description="Words, in any order and case.")
    limit: int = Field(WORDS, ge=1, le=WORDS_LIMIT, description="Rows of the answer.")


class AskedTexts(AskedNothing):
    """Digests of texts."""

    digest: list[Word] = Field([], max_length=TEXTS_LIMIT)


_SEVERAL: Final = {"/v1/reach": "what", "/v1/texts": "digest", "/v1/texts/gone": "digest"}
"""Parameters that may be given more than once."""


def once_each(request: Request) -> None:
    """Refuse a parameter that is given twice: one of the two would be passed over."""
    several = _SEVERAL.get(request.url.path)
    names = [name for name, _ in request.query_params.multi_items() if name != several]
    for name in names:
        if names.count(name) > 1:
            raise HTTPException(400, f"{name[:40]}: expected once")


def cursor_of(place: Place) -> str:
    """A place as one opaque word."""
    tree = json.dumps([place.time_ns, place.id, place.ordinal], separators=(",", ":"))
    return base64.urlsafe_b64encode(tree.encode()).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        tree = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        time_ns, name, ordinal = tree
        if not (_within(time_ns, _INT64) and _within(ordinal, _UINT32) and _ID.fullmatch(name)):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise HTTPException(400, "cursor: expected what the page before gave as next") from None
    return Place(time_ns, name, ordinal)


def _within(number: Any, end: int) -> bool:
    return type(number) is int and 0 <= number < end
