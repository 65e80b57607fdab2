"""Runtime: what the capture side of this process is made of."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opentelemetry.trace import Span, SpanKind, Tracer

from ragtrace.capture._envelope import Envelope, EnvelopeKey
from ragtrace.capture._guarded import guarded
from ragtrace.capture._inbound import inherited
from ragtrace.capture._ledger import Ledger
from ragtrace.capture._request import Request
from ragtrace.capture._vault import Vault
from ragtrace.capture.export import lost_since
from ragtrace.config import Config
from ragtrace.errors import PolicyFileError
from ragtrace.labels import Lattice
from ragtrace.model import Audience
from ragtrace.policy import Policy
from ragtrace.wire import AttributeValue, names, openinference

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import Corpus
    from ragtrace.capture._reload import Reload

__all__ = ["Runtime", "current", "install", "renew"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Policy, ledger and telemetry of a process; replaced as a whole, never changed.

    Attributes:
        vault: Sends texts away, once per digest; ``None`` where content is off.
        corpus: The index of labelled documents to look prompts through for, if there is one.
        reload: Looks after the files of the policy; ``None`` where they are read once.
        stale: Why the files cannot be used as they now are; ``policy`` is older then.
        clock: Seconds that only go forwards.
        wall: Seconds since 1970, UTC.
        envelopes: Signs what goes to other services; ``None`` where nobody is told or believed.
    """

    config: Config
    policy: Policy
    tracer: Tracer
    vault: Vault | None = None
    corpus: Corpus | None = None
    ledger: Ledger = field(default_factory=Ledger)
    reload: Reload | None = None
    stale: PolicyFileError | None = None
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    envelopes: EnvelopeKey | None = None

    def request(
        self,
        audience: str | None = None,
        *,
        session: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
    ) -> Request:
        """A new request with its span started."""
        carried = inherited(self.envelopes, self.wall())
        name = self._named(audience or self.config.audience, carried)
        request = Request(name, session=session, user=user, tenant=tenant, carried=carried)
        with guarded("request span"):
            attributes = {**request.attributes(self.policy)}
            attributes[names.POLICY] = self.policy.digest
            if self.stale is not None:
                attributes[names.POLICY_STALE] = True
            if lost := lost_since():
                attributes[names.EXPORT_LOST] = lost
            if self.config.openinference:
                attributes.update(openinference(attributes))
            request.span = self.tracer.start_span("ragtrace.request", attributes=attributes)
        return request

    def _named(self, name: str | None, carried: Envelope | None) -> str | None:
        """The audience of a request: of the one named here and that of the service which asks,
        the one that is let in to nothing the other is not.

        Where each is let in to something, neither is meant, but a name made of both, which is
        least cleared while no policy declares it. Where nobody is named here, nobody is.
        """
        asking = carried.audience if carried is not None else ""
        if not asking or name is None:
            return name
        here, there = self.policy.audience(name), self.policy.audience(asking)
        if _within(self.policy.lattice, here, there):
            return name
        return asking if _within(self.policy.lattice, there, here) else f"{name} for {asking}"

    def start_span(
        self, request: Request, name: str, attributes: dict[str, AttributeValue], kind: SpanKind
    ) -> Span:
        """A span of one step of ``request``."""
        return self.tracer.start_span(
            name,
            context=request.parent(),
            kind=kind,
            attributes={**request.attributes(self.policy), **attributes},
        )


def _within(lattice: Lattice, one: Audience, other: Audience) -> bool:
    """Whether ``one`` is let in to nothing that ``other`` is not."""
    return not one.known or (
        other.known
        and lattice.rank(one.clearance) <= lattice.rank(other.clearance)
        and one.compartments <= other.compartments
        and one.groups <= other.groups
    )


_lock = threading.Lock()
_runtime: Runtime | None = None


def _forked() -> None:
    """A child has none of its parent's threads: one that held the lock will not give it back."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def install(runtime: Runtime | None) -> Runtime | None:
    """Make ``runtime`` the process's; gives the one it replaces."""
    global _runtime
    with _lock:
        _runtime, previous = runtime, _runtime
        if runtime is not None:
            runtime.ledger.lattice = runtime.policy.lattice
        return previous


def renew(reload: Reload | None, read: Policy | PolicyFileError) -> bool:
    """Put what ``reload`` has read in the place of what it looks after.

    A policy is used from now on; an error leaves the policy that is there, and says that it is
    stale. Whether anything was changed: not where the policy is the very same, nor where somebody
    has called ``init`` or ``shutdown`` in the meantime.
    """
    global _runtime
    with _lock:
        now = _runtime
        if now is None or now.reload is not reload:
            return False
        if isinstance(read, PolicyFileError):
            _runtime = replace(now, stale=read)
            return True
        if now.stale is None and now.policy.digest == read.digest:
            return False
        policy = now.policy if now.policy.digest == read.digest else read
        _runtime = replace(now, policy=policy, stale=None)
        now.ledger.lattice = policy.lattice
        return True


def current() -> Runtime | None:
    """The process's runtime; ``None`` before ``init`` and after ``shutdown``.

    Every step asks for it anew, and keeps to what it was given.
    """
    runtime = _runtime
    if runtime is not None and runtime.reload is not None:
        runtime.reload.look()
    return runtime
