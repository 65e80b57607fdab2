"""Asked: what the URL of a page asks for; everything a page shows follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from fastapi import HTTPException
from pydantic import ValidationError

from ragtrace.server._asked import AskedFilter, AskedPage, Word
from ragtrace.store import FlowFilter, Place

__all__ = ["PERIODS", "USUAL_PERIOD", "Asked"]

PERIODS: Final = ("1h", "24h", "7d", "30d", "all")
"""Time ranges on offer, as ``since`` has them; ``all`` for everything."""
USUAL_PERIOD: Final = "30d"
"""What is looked at unless somebody asks: a page that opens must not read years."""
ROWS: Final = 100
"""Of a page of a list: what a person looks through before narrowing."""

_NARROWS: Final = tuple(name for name in AskedFilter.model_fields if name not in ("since", "until"))


class _Parameters(AskedPage):
    """The API's, and what is looked for."""

    limit: int = ROWS
    what: Word = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a URL, checked; they are those of ``/v1``.

    Attributes:
        given: As they stand in the URL, without empty ones; what links carry on.
        where: The filter that they spell, its time range reckoned from when it was asked.
        period: The time range as it was given, or the usual one.
        what: What is looked for.
        limit: Rows of the page.
        after: Behind which row the page begins.
    """

    given: Mapping[str, str]
    where: FlowFilter
    period: str
    what: str = ""
    limit: int = ROWS
    after: Place | None = None

    @classmethod
    def read(cls, params: Mapping[str, str], usual: str = USUAL_PERIOD) -> Asked:
        """Check the parameters of a URL.

        Raises:
            HTTPException: 400, one is unknown, so that a misspelt condition does not widen the
                answer, or cannot be read; it says which, and what was expected.
        """
        given = {name: value for name, value in params.items() if value != ""}
        period = given.get("since", usual)
        timed = {**given, "since": period}
        if period == "all":
            del timed["since"]
        try:
            read = _Parameters.model_validate(timed)
        except ValidationError as error:
            raise HTTPException(400, _expected(error)) from None
        return cls(given, read.where, period, read.what.strip(), read.limit, read.after)

    def url(self, path: str, **change: str | None) -> str:
        """The address of ``path`` with these parameters, some changed, ``None`` for left out.

        A page of a list is not carried on: other conditions have other pages.
        """
        kept = {**self.given, "cursor": None, **change}
        said = {name: value for name, value in kept.items() if value}
        # Half a character, which a name may hold, cannot stand in an address.
        return f"{path}?{urlencode(said, errors='replace')}" if said else path

    def narrowed(self) -> dict[str, str]:
        """The conditions that are set, but for the time range."""
        return {name: self.given[name] for name in _NARROWS if name in self.given}

    def with_stage(self, stage: str) -> Asked:
        """The same where the URL names no stage: that one."""
        return self if self.where.stage else replace(self, where=replace(self.where, stage=stage))


def _expected(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][-1])[:40]
    if first["type"] == "extra_forbidden":
        return f"unknown parameter {name!r}"
    return f"{name}: {first['msg'].removeprefix('Value error, ')}"
