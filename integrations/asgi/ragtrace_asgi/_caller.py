"""Caller: who has sent a request, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ragtrace_asgi._unknown import UnknownCaller, Why

__all__ = ["Caller", "agreed", "unknown"]

UNKNOWN: Final = "unknown"
"""Audience of a caller for whom nobody vouches; no policy clears it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has sent a request.

    Attributes:
        audience: Who reads the answer.
        basis: Who says so: ``route``, ``jwt``, ``proxy``, ``claims``, several with a plus in
            between; or why nobody does.
    """

    audience: str
    basis: str
    user: str | None = None
    tenant: str | None = None
    session: str | None = None


def unknown(why: Why) -> Caller:
    """The caller for whom nobody vouches."""
    return Caller(UNKNOWN, why)


def agreed(callers: Sequence[Caller]) -> Caller:
    """What all of them say of the one caller, at least one of them.

    Raises:
        UnknownCaller: Two of them say different things.
    """
    return Caller(
        audience=_same([one.audience for one in callers]) or UNKNOWN,
        basis="+".join(dict.fromkeys(one.basis for one in callers)),
        user=_same([one.user for one in callers]),
        tenant=_same([one.tenant for one in callers]),
        session=_same([one.session for one in callers]),
    )


def _same(values: Sequence[str | None]) -> str | None:
    said = {value for value in values if value is not None}
    if len(said) > 1:
        raise UnknownCaller("conflict")
    return next(iter(said), None)
