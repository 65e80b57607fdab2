"""Recorded: what another tracer wrote of a step, and how its values are read, within bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from ragtrace.wire._spans import SpanEvent

__all__ = ["MAX_ITEMS", "Recorded", "named", "number", "numbered", "parsed", "short", "whole"]

MAX_ITEMS: Final = 1_024
"""Passages of one retrieval, messages of one prompt: hundreds are usual at the very most, and
what a tracer repeats beyond that may not cost a server more than a body of that size does."""
MAX_NAME: Final = 256
"""Characters of a name of a session, a user, a model or a store; longer ones are texts."""


class Recorded(Protocol):
    """A span of any tracer; ``SpanRecord`` is one."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def resource(self) -> Mapping[str, str]: ...
    @property
    def events(self) -> Sequence[SpanEvent]: ...


def parsed(text: str) -> Any:
    """The list, object or quoted text that ``text`` is as JSON; ``None`` if it is none of them.

    Every string of it is such that it can be stored.
    """
    if not text.startswith(("{", "[", '"')):
        return None
    try:
        said = json.loads(text, parse_constant=lambda _: None)
        if "\\ud" in text or "\\uD" in text:  # half a character can be escaped, and not be stored
            plain = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")
            said = json.loads(plain)
    except (ValueError, RecursionError):
        return None
    return said


def whole(text: str) -> Any:
    """``text`` as JSON where it is JSON, else itself."""
    said = parsed(text)
    return text if said is None else said


def named(said: object) -> dict[str, Any]:
    """``said`` where it is a JSON object, or one written as text; else an empty one."""
    if isinstance(said, str):
        said = parsed(said)
    return said if isinstance(said, dict) else {}


def short(said: object) -> str:
    """``said`` as a name; empty where it is none, or too long for one."""
    if isinstance(said, bool) or not isinstance(said, str | int):
        return ""
    return text if len(text := str(said)) <= MAX_NAME else ""


def number(said: object) -> float | None:
    """``said`` as a finite number, also where it is one written as text."""
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        return None
    try:
        found = float(said)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def numbered(attributes: Mapping[str, str], prefix: str) -> list[dict[str, str]]:
    """What stands under ``prefix.0.``, ``prefix.1.`` and on, each by the rest of its name."""
    found: dict[int, dict[str, str]] = {}
    start = f"{prefix}."
    for name, value in attributes.items():
        if name.startswith(start):
            place, _, rest = name[len(start) :].partition(".")
            if place.isascii() and place.isdigit() and len(place) <= 6:
                found.setdefault(int(place), {})[rest] = value
    return [found[place] for place in sorted(found)[:MAX_ITEMS]]
