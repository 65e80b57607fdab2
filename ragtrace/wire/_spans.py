"""SpanRecord and ContentRecord: what arrives over OTLP, once the protocol is off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["ContentRecord", "SpanEvent", "SpanRecord", "subject_of"]


class SpanEvent(NamedTuple):
    """Something that happened within a span; attributes as on the span."""

    name: str
    time_ns: int
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span, of ours or of another tracer.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 lower-case hex digits.
        parent_span_id: 16 lower-case hex digits, empty for a root.
        kind: ``Internal``, ``Server``, ``Client``, ``Producer``, ``Consumer``, ``Unspecified``.
        service: ``service.name`` of the resource, empty where it has none.
        scope: Name of the instrumentation scope.
        start_ns: Nanoseconds since the epoch.
        end_ns: Nanoseconds since the epoch.
        status: ``Unset``, ``Ok`` or ``Error``.
        attributes: Values as text: JSON for lists and maps, base64 for bytes.
        resource: Attributes of the resource, in the same form.
        events: In their order. Some tracers put documents and messages there; they are read
            when they arrive and not stored.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str
    scope: str
    start_ns: int
    end_ns: int
    status: str = "Unset"
    status_message: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    resource: dict[str, str] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class ContentRecord:
    """A text and the digest it is filed under; its ``repr`` does not show the text.

    Attributes:
        kind: ``chunk``, ``prompt`` or ``completion``.
        level: The level a reader needs.
        subject: Whose it is: ``document:`` and the id for a passage; for a prompt or an answer
            ``user:`` or ``session:`` and the name; empty where nobody said.
    """

    digest: str
    kind: str
    level: str
    text: str
    subject: str = ""

    def __repr__(self) -> str:
        """Name the record without its text."""
        return f"ContentRecord({self.kind} {self.digest}, {len(self.text)} characters)"


def subject_of(user: str | None, session: str | None) -> str:
    """Whose a prompt and its answer are: the user's, else the session's, else nobody's."""
    if user:
        return f"user:{user}"
    return f"session:{session}" if session else ""
