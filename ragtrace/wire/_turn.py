"""Turn: who asked, and for whom, as applications tell their tracers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.wire import _names as names
from ragtrace.wire._recorded import Recorded, named, short, whole

__all__ = ["Turn", "turn"]

_SESSION: Final = (
    *(names.SESSION, names.GEN_AI_CONVERSATION, "langfuse.session.id"),
    *("mlflow.trace.session", "session_id", "thread_id", "conversation_id", "langfuse_session_id"),
)
_USER: Final = (
    *(names.USER, "enduser.id", "langfuse.user.id", "mlflow.trace.user"),
    *("user_id", "langfuse_user_id"),
)
_TENANT: Final = (names.TENANT, "tenant", "tenant_id", "tenant.id")
_AUDIENCE: Final = (names.AUDIENCE, "audience")
"""Names of attributes and keys of metadata, those that say it most plainly first."""

_METADATA: Final = ("metadata", "langfuse.trace.metadata", "langfuse.observation.metadata")
"""Attributes that hold an application's own keys as one JSON object."""
_KEYS: Final = (
    *("metadata.", "langfuse.trace.metadata.", "langfuse.observation.metadata."),
    *("traceloop.association.properties.", "mlflow.traceTag.", "gen_ai.request.metadata."),
)
"""Beginnings of attributes that hold one such key each."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One user-facing turn, as far as a span tells of it; empty what it does not say."""

    session: str = ""
    user: str = ""
    tenant: str = ""
    audience: str = ""


def turn(span: Recorded) -> Turn:
    """Whose turn ``span`` is part of; also of spans that are no step, and never raises.

    Some tracers say it on the first span of a trace alone.
    """
    said = _own(span)
    return Turn(_first(said, _SESSION), _first(said, _USER), _first(said, _TENANT),
                _first(said, _AUDIENCE))  # fmt: skip


def _own(span: Recorded) -> dict[str, Any]:
    """What the application says: on the resource, in its metadata, and above all by itself."""
    said: dict[str, Any] = {
        name: span.resource[name]
        for name in (names.TENANT, names.AUDIENCE)
        if name in span.resource
    }
    for key, value in _metadata(span):
        said.setdefault(key, value)
    for name in (*_SESSION, *_USER, *_TENANT, *_AUDIENCE):
        if "." in name and span.attributes.get(name):
            said[name] = span.attributes[name]
    return said


def _metadata(span: Recorded) -> Iterator[tuple[str, Any]]:
    for name in _METADATA:
        if name in span.attributes:
            yield from named(span.attributes[name]).items()
    for name, value in span.attributes.items():
        if name.startswith(_KEYS):
            start = next(start for start in _KEYS if name.startswith(start))
            yield name[len(start) :], whole(value)  # Langfuse writes each as JSON


def _first(said: dict[str, Any], keys: Iterable[str]) -> str:
    return next((name for key in keys if (name := short(said.get(key)))), "")
