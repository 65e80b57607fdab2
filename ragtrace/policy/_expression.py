"""Expression: a condition of a rule that is written in a language of its own."""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol

from ragtrace.errors import RagtraceError
from ragtrace.labels import Lattice
from ragtrace.model import Audience, Chunk, Label

__all__ = [
    "MAX_EXPRESSION",
    "MAX_OPENED",
    "Expression",
    "ExpressionError",
    "Language",
    "bounded",
    "of_audience",
    "of_label",
]

Language = Literal["cel", "cedar"]
"""What an expression may be written in, as ``when`` in a policy file names it."""

MAX_EXPRESSION: Final = 1_000
"""Characters of an expression. What needs more is several rules."""

MAX_OPENED: Final = 24
"""Brackets that an expression opens. Cedar's parser has no bound of its own: 64 of them, one in
the other, end a process whose thread has a stack of 512 KB."""


class ExpressionError(RagtraceError):
    """An expression failed or gave no boolean; the message names it, and no text."""


class Expression(Protocol):
    """A condition that was read once and is asked often.

    It sees the label, the ids of source and document, and the audience, and nothing else:
    decisions are remembered by these.
    """

    @property
    def language(self) -> Language: ...
    @property
    def text(self) -> str: ...

    def fits(self, chunk: Chunk, label: Label, audience: Audience) -> bool:
        """Whether it holds.

        Raises:
            ExpressionError: It failed, or gave something else than a boolean.
        """


def bounded(text: str) -> str:
    """``text``, which is short enough to hand to a parser.

    Raises:
        ValueError: It is longer, or opens more brackets, than a condition may.
    """
    if len(text) > MAX_EXPRESSION:
        raise ValueError(f"{len(text)} characters, expected at most {MAX_EXPRESSION}")
    opened = sum(map(text.count, "([{"))
    if opened > MAX_OPENED:
        raise ValueError(f"{opened} opening brackets, expected at most {MAX_OPENED}")
    return text


def of_label(label: Label, lattice: Lattice) -> dict[str, Any]:
    """What an expression sees of ``label``; ``readers`` is not there where all may read."""
    seen: dict[str, Any] = {
        "level": label.level,
        "rank": lattice.rank(label.level),
        "compartments": sorted(label.compartments),
        "integrity": label.integrity,
    }
    if label.readers is not None:
        seen["readers"] = sorted(label.readers)
    return seen


def of_audience(audience: Audience, lattice: Lattice) -> dict[str, Any]:
    """What an expression sees of ``audience``; ``principal`` is not there where nobody is named.

    An audience cleared for a level that is not known is cleared for the least, as for the
    lattice.
    """
    known = audience.clearance in lattice.levels
    seen: dict[str, Any] = {
        "name": audience.name,
        "clearance": audience.clearance,
        "rank": lattice.rank(audience.clearance) if known else 0,
        "compartments": sorted(audience.compartments),
        "groups": sorted(audience.groups),
        "known": audience.known,
    }
    if audience.principal is not None:
        seen["principal"] = audience.principal
    return seen
