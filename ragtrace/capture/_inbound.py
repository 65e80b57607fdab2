"""Inbound: envelopes that came with a request, in its OpenTelemetry context."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from opentelemetry.context import Context, create_key, get_value, set_value

from ragtrace.capture._envelope import Envelope, EnvelopeError, EnvelopeKey
from ragtrace.capture._guarded import ignored

__all__ = ["arrived", "inherited"]

MOST: Final = 4
"""Envelopes looked at; a service of ours sends one, in two places at the most."""

_KEY: Final = create_key("ragtrace-envelopes")


def arrived(values: Iterable[str], context: Context | None) -> Context:
    """The context with these values in it, as they came: whether they are any good is asked by
    whoever wants to use one.
    """
    return set_value(_KEY, tuple(values)[:MOST], context)


def inherited(
    key: EnvelopeKey | None, now: float, context: Context | None = None
) -> Envelope | None:
    """The first envelope of a context that opens; what does not is counted and left alone.

    Args:
        key: Without one there is nobody to be trusted.
        now: Seconds since 1970, UTC.
        context: The running one, unless said.
    """
    values = None if key is None else get_value(_KEY, context)
    if key is None or not isinstance(values, tuple):
        return None
    for value in values:
        try:
            return key.open(value, now)
        except EnvelopeError as error:
            ignored("envelope in baggage", str(error))
    return None
