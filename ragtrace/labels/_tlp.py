"""TLP: the names of the Traffic Light Protocol."""

from __future__ import annotations

import re

__all__ = ["tlp_name"]

_NAME = re.compile(
    r"(?:TLP\s*[:_-]?\s*)?(?P<colour>clear|white|green|amber|red)(?P<strict>\s*[+_-]\s*strict)?",
    re.IGNORECASE,
)


def tlp_name(text: str) -> str | None:
    """The name in ``text`` as TLP 2.0 has it, in lower case and without ``TLP:``.

    ``white`` is what TLP 1.0 called ``clear``. Only amber is ever strict. ``None`` where the
    text is no such name. Source: FIRST, Traffic Light Protocol, version 2.0 (2022).
    """
    found = _NAME.fullmatch(text.strip())
    if found is None:
        return None
    colour = found["colour"].lower()
    if found["strict"]:
        return "amber+strict" if colour == "amber" else None
    return "clear" if colour == "white" else colour
