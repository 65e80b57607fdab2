"""Sender: who sends telemetry, and for whom it may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ragtrace.errors import WireError
from ragtrace.wire import SpanRecord, names

__all__ = ["ANY_SENDER", "Sender"]


@dataclass(frozen=True, slots=True)
class Sender:
    """What a key that sends is bound to.

    Attributes:
        tenant: Whose all its spans are; empty where each says so itself.
        services: Names of the services it sends for; ``None`` for any.
    """

    tenant: str = ""
    services: frozenset[str] | None = None

    def own(
        self, spans: Iterable[SpanRecord], reject: Callable[[WireError], None]
    ) -> list[SpanRecord]:
        """Give ``spans`` as this sender's, without those of another tenant or service.

        Args:
            spans: As they came.
            reject: Told why one is left out; the reason names neither.
        """
        kept = []
        for span in spans:
            try:
                kept.append(self._own(span))
            except WireError as error:
                reject(error)
        return kept

    def _own(self, span: SpanRecord) -> SpanRecord:
        if self.services is not None and span.service not in self.services:
            raise WireError("span: service.name: expected one that this key may send for")
        if not self.tenant:
            return span
        said = {span.attributes.get(names.TENANT, ""), span.resource.get(names.TENANT, "")}
        if said - {"", self.tenant}:
            raise WireError(f"span: {names.TENANT}: expected the tenant of this key")
        attributes = {**span.attributes, names.TENANT: self.tenant}
        attributes.pop(names.INHERITED, None)  # by which the tenant would count as another's word
        return replace(span, attributes=attributes)


ANY_SENDER: Final = Sender()
"""Who sends for everybody: on this machine, with a certificate, or with a key bound to nothing."""
