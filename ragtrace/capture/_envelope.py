"""Envelope: what a request has handled, signed, as one value of W3C baggage."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.capture._plain import label_as_plain, plain_label
from ragtrace.errors import RagtraceError
from ragtrace.model import Label, Origin

__all__ = ["LIFETIME", "LONGEST", "Envelope", "EnvelopeError", "EnvelopeKey"]

LONGEST: Final = 2048
"""Characters of an envelope. Baggage has room for 8,192 in all, and others put things there."""

MOST_ORIGINS: Final = 8
"""Documents named, the strictest first: enough to know where to look. All of them are in the traces
of the service that has sent them."""

LIFETIME: Final = 300
"""Seconds: longer than any request between two services takes, and too short to keep one."""

SKEW: Final = 30
"""Seconds that the clocks of two services may differ."""

LONGEST_LEVEL: Final = 64
"""Characters of the name of a level that is sent whatever else there is."""

_VERSION: Final = "1"


class EnvelopeError(RagtraceError):
    """Something is no envelope of ours, or not of now; the message is one of a few."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request has handled, for a service that it calls.

    Attributes:
        label: The join of all of it.
        origins: The documents, the strictest first; of the label of each, only the level is sent.
        audience: For whom it was asked for; empty if nobody was named.
        request: Id of the request that sends it.
        issued: When, in seconds since 1970, UTC.
    """

    label: Label
    origins: tuple[Origin, ...]
    audience: str
    request: str
    issued: int


class EnvelopeKey:
    """Signs envelopes and opens those that were signed with the same key: HMAC-SHA-256.

    Args:
        secret: 32 bytes or more, that services which trust each other share.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._id = self._mac("id")[:6]  # which key it is; says nothing about the key

    def seal(self, envelope: Envelope) -> str:
        """The envelope as letters, digits and ``-_.``, at most LONGEST.

        Origins that do not fit are left out, the label never: of one that does not fit by itself
        the level stays, and nobody is named as its reader, which is stricter.
        """
        label, audience = envelope.label, envelope.audience
        if self._written(label, (), envelope, audience) is None:
            level = label.level if len(label.level) <= LONGEST_LEVEL else _hashed(label.level)
            label = Label(level, readers=frozenset(), integrity=label.integrity)
        if self._written(label, (), envelope, audience) is None:
            audience = _hashed(audience)
        kept: list[Origin] = []
        for origin in envelope.origins[:MOST_ORIGINS]:
            if self._written(label, [*kept, origin], envelope, audience) is not None:
                kept.append(origin)
        sealed = self._written(label, kept, envelope, audience)
        assert sealed is not None  # a level and two names of fixed length fit
        return sealed

    def open(self, value: str, now: float) -> Envelope:
        """The envelope that was sealed as ``value``.

        Args:
            value: As it came.
            now: Seconds since 1970, UTC.

        Raises:
            EnvelopeError: It was not, or not with this key, or not just now.
        """
        if len(value) > LONGEST:
            raise EnvelopeError("too long")
        if not value.isascii() or value.count(".") != 3:
            raise EnvelopeError("malformed")
        version, id, payload, mac = value.split(".")
        if version != _VERSION:
            raise EnvelopeError("of another version")
        if id != self._id:
            raise EnvelopeError("signed with another key")
        if not hmac.compare_digest(mac, self._mac(f"{version}.{id}.{payload}")):
            raise EnvelopeError("forged")
        try:
            envelope, expires = _envelope(json.loads(_bytes(payload)))
        except (ValueError, RecursionError):
            raise EnvelopeError("malformed") from None
        if envelope.issued > now + SKEW:
            raise EnvelopeError("from the future")
        if min(expires, envelope.issued + LIFETIME) + SKEW < now:
            raise EnvelopeError("expired")
        return envelope

    def _written(
        self, label: Label, origins: Sequence[Origin], envelope: Envelope, audience: str
    ) -> str | None:
        """The sealed envelope, if it is short enough."""
        value = [
            label_as_plain(label),
            [[one.document, one.source, _digest(one.digest), one.label.level] for one in origins],
            audience,
            envelope.request,
            envelope.issued,
            envelope.issued + LIFETIME,
        ]
        data = json.dumps(value, separators=(",", ":")).encode("ascii")
        said = f"{_VERSION}.{self._id}.{_text(data)}"
        sealed = f"{said}.{self._mac(said)}"
        return sealed if len(sealed) <= LONGEST else None

    def _mac(self, said: str) -> str:
        message = f"ragtrace-envelope.{said}".encode("ascii")
        return _text(hmac.digest(self._secret, message, hashlib.sha256))


def _envelope(value: object) -> tuple[Envelope, int]:
    match value:
        case [label, [*origins], str(audience), str(request), int(issued), int(expires)]:
            made = tuple(map(_origin, origins))
            return Envelope(plain_label(label), made, audience, request, issued), expires
    raise ValueError("an envelope")


def _origin(value: Any) -> Origin:
    match value:
        case [str(document), str(source), str(name), str(level)]:
            return Origin(document, source, _bytes(name).hex(), Label(level))
    raise ValueError("an origin")


def _digest(name: str) -> str:
    """A digest in two thirds of its length."""
    try:
        return _text(bytes.fromhex(name))
    except ValueError:  # not one of ours
        return ""


def _hashed(name: str) -> str:
    """A name that no policy has, so that a level is the strictest and an audience unknown."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("base64") from error
