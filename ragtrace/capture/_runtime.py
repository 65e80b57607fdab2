"""Runtime: what the capture side of this process is made of."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind, Tracer

from ragtrace.capture._guarded import guarded
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._request import Request
from ragtrace.capture._vault import Vault
from ragtrace.config import Config
from ragtrace.policy import Policy
from ragtrace.wire import AttributeValue, encode_request, names, openinference

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus

__all__ = ["Runtime", "current", "install"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Policy, ledger and telemetry of a process; replaced as a whole, never changed.

    Attributes:
        vault: Sends texts away, once per digest; ``None`` where content is off.
        corpus: The index of labelled documents to look prompts through for, if there is one.
    """

    config: Config
    policy: Policy
    tracer: Tracer
    vault: Vault | None = None
    corpus: Corpus | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def request(
        self,
        audience: str | None = None,
        *,
        session: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
    ) -> Request:
        """A new request with its span started."""
        reader = self.policy.audience(
            audience or self.config.audience, principal=user, tenant=tenant
        )
        request = Request(reader, session=session, user=user, tenant=tenant)
        with guarded("request span"):
            attributes = encode_request(
                request.id, reader, session=session, user=user, tenant=tenant
            )
            attributes[names.POLICY] = self.policy.digest
            if self.config.openinference:
                attributes.update(openinference(attributes))
            request.span = self.tracer.start_span("ragtrace.request", attributes=attributes)
        return request

    def start_span(
        self, request: Request, name: str, attributes: dict[str, AttributeValue], kind: SpanKind
    ) -> Span:
        """A span of one step of ``request``."""
        whose = encode_request(
            request.id,
            request.audience,
            session=request.session,
            user=request.user,
            tenant=request.tenant,
        )
        return self.tracer.start_span(
            name, context=request.parent(), kind=kind, attributes={**whose, **attributes}
        )


_lock = threading.Lock()
_runtime: Runtime | None = None


def install(runtime: Runtime | None) -> Runtime | None:
    """Make ``runtime`` the process's; gives the one it replaces."""
    global _runtime
    with _lock:
        _runtime, previous = runtime, _runtime
        return previous


def current() -> Runtime | None:
    """The process's runtime; ``None`` before ``init`` and after ``shutdown``."""
    return _runtime
