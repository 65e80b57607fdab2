"""Look: what one visitor asked of one page, and what there is to draw."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import unquote

from fastapi import HTTPException

from ragtrace.errors import RagtraceError
from ragtrace.server.dashboard._asked import USUAL_PERIOD, Asked
from ragtrace.server.dashboard._decisions import decisions
from ragtrace.server.dashboard._levels import Levels
from ragtrace.server.dashboard._map import flow_map
from ragtrace.server.dashboard._reach import reached
from ragtrace.server.dashboard._trace import traced
from ragtrace.store import Access, Reader, TraceNotFoundError

__all__ = ["PAGES", "Answer", "Look", "Place", "answer", "look", "place_of", "read"]


class Answer(Protocol):
    """What a page draws, and its ``.json`` spells."""

    def as_json(self) -> dict[str, object]:
        """Give the answer as one tree."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which page a path is of.

    Attributes:
        page: ``map``, ``decisions``, ``trace`` or ``reach``.
        name: The id in the path, of a trace.
        as_json: Whether the data is asked for and not the page.
    """

    page: str
    name: str
    as_json: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One visit.

    Attributes:
        answer: ``None`` where it could not be given; ``problem`` says why.
        asked: ``None`` where the URL could not be read.
        now_ns: When it was asked, nanoseconds since the epoch.
    """

    place: Place
    access: Access
    levels: Levels
    now_ns: int
    asked: Asked | None = None
    answer: Answer | None = None
    status: int = 200
    problem: str = ""


Question = Callable[[Reader, Asked, Place, Access, Levels], Answer]

PAGES: Final[dict[str, Question]] = {
    "map": lambda reader, asked, _place, _access, levels: flow_map(reader, asked, levels),
    "decisions": lambda reader, asked, _place, _access, _levels: decisions(reader, asked),
    "trace": lambda reader, _asked, place, access, levels: traced(
        reader, place.name, access, levels
    ),
    "reach": lambda reader, asked, _place, _access, _levels: reached(reader, asked),
}
"""What each page asks of the store; another page is another line here, and a drawing."""

_TIMED: Final = frozenset({"map", "decisions"})
"""Pages of a time range."""
_PATH: Final = re.compile(r"/(map|decisions|reach|trace/([^/]{1,200}?))(\.json)?")


def place_of(path: str) -> Place | None:
    """The page that ``path`` is of, if it is of one."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Place(found[1].partition("/")[0], unquote(found[2] or ""), bool(found[3]))


def read(place: Place, params: Mapping[str, str]) -> Asked:
    """Check the parameters of a page; what one trace or document reached is asked of all time.

    Raises:
        HTTPException: 400, one is unknown, or cannot be read.
    """
    return Asked.read(params, USUAL_PERIOD if place.page in _TIMED else "all")


def answer(reader: Reader, place: Place, asked: Asked, access: Access, levels: Levels) -> Answer:
    """Ask the store what the page shows.

    Raises:
        TraceNotFoundError: No trace, or more than one, begins so.
        StoreError: The store cannot be read.
    """
    return PAGES[place.page](reader, asked, place, access, levels)


def look(
    reader: Reader, place: Place, params: Mapping[str, str], access: Access, levels: Levels
) -> Look:
    """The same for a page: what cannot be answered is drawn too, and says why."""
    seen = Look(place, access, levels, time.time_ns())
    try:
        seen = replace(seen, asked=read(place, params))
        assert seen.asked is not None
        return replace(seen, answer=answer(reader, place, seen.asked, access, levels))
    except HTTPException as error:
        return replace(seen, status=error.status_code, problem=str(error.detail))
    except TraceNotFoundError as error:
        return replace(seen, status=404, problem=str(error))
    except RagtraceError as error:
        return replace(seen, status=503, problem=str(error))
