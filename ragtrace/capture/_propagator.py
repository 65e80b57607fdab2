"""Propagator: what a request has handled goes with its calls to other services, and comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from ragtrace.capture._envelope import LONGEST, Envelope
from ragtrace.capture._guarded import guarded
from ragtrace.capture._inbound import arrived, inherited
from ragtrace.capture._request import Request, current_request
from ragtrace.capture._retrieval import enclosing_request
from ragtrace.capture._runtime import Runtime, current
from ragtrace.capture._taint import joined

__all__ = ["Propagator"]

HEADER: Final = "baggage"
MEMBER: Final = "ragtrace"
"""Name of the envelope among the other things in the header."""

OWN_HEADER: Final = "ragtrace-baggage"
"""Where the envelope goes too, if somebody else is still to write the header anew."""

LONGEST_HEADER: Final = 16_384
"""Characters of a header that are looked through: twice what W3C baggage has room for."""


class Propagator(TextMapPropagator):
    """``ragtrace`` in ``OTEL_PROPAGATORS``, before or after ``baggage``.

    Writes and reads nothing in a process that has no key for it.
    """

    @property
    def fields(self) -> set[str]:
        """Headers that are written."""
        return {HEADER, OWN_HEADER}

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Put an envelope beside what baggage is there, if there is anything to tell."""
        with guarded("envelope"):
            value = _sealed(context)
            if value is None:
                return
            held = _held(carrier)
            if held is not None:
                others = [one for one in held.split(",") if one.strip() and _member(one) is None]
                setter.set(carrier, HEADER, ",".join([*others, f"{MEMBER}={value}"]))
            # W3C's propagator, where it comes after this one, writes the header anew.
            if held is None or (not held and baggage.get_all(context)):
                setter.set(carrier, OWN_HEADER, value)

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Keep the envelopes of ``carrier`` for the requests that are opened in the context."""
        context = Context() if context is None else context
        with guarded("envelope"):
            values = [*(getter.get(carrier, OWN_HEADER) or ())]
            for header in getter.get(carrier, HEADER) or ():
                values += _members(header[:LONGEST_HEADER])
            if values:
                return arrived([value[: LONGEST + 1] for value in values], context)
        return context


def _sealed(context: Context | None) -> str | None:
    runtime = current()
    if runtime is None or runtime.envelopes is None:
        return None
    request = current_request() or enclosing_request()
    envelope = inherited(runtime.envelopes, runtime.wall(), context)
    if request is not None:
        envelope = _of(runtime, request)
    if envelope is None:
        return None
    return runtime.envelopes.seal(replace(envelope, issued=int(runtime.wall())))


def _of(runtime: Runtime, request: Request) -> Envelope | None:
    """What ``request`` has handled, here and in the services before this one."""
    carried = request.carried
    handled = [(carried.label, carried.origins)] if carried is not None else []
    if request.taint.all is not None:
        handled.append(request.taint.all)
    if not handled:
        return None
    label, origins = joined(runtime.policy.lattice, *handled)
    asking = request.audience or (carried.audience if carried is not None else "")
    return Envelope(label, origins, asking, request.id, 0)


def _held(carrier: Any) -> str | None:
    """The baggage header as it is; ``None`` of a carrier that cannot be read."""
    return str(carrier.get(HEADER) or "") if isinstance(carrier, Mapping) else None


def _members(header: str) -> Iterator[str]:
    for one in header.split(","):
        value = _member(one)
        if value is not None:
            yield value


def _member(one: str) -> str | None:
    """The value of a member of the header, if it is ours; its properties do not count."""
    name, _, value = one.partition("=")
    return value.partition(";")[0].strip() if name.strip() == MEMBER else None
