"""Request: one user-facing turn, and how every step of it finds it again."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from ragtrace.capture._envelope import Envelope
from ragtrace.capture._guarded import guarded
from ragtrace.capture._ids import new_id
from ragtrace.capture._taint import Taint
from ragtrace.model import Audience, Chunk, Decision
from ragtrace.policy import Policy
from ragtrace.wire import AttributeValue, encode_request

__all__ = ["METADATA_KEY", "Request", "current_request", "open_requests"]

METADATA_KEY: Final = "ragtrace_request"
"""Key under which a framework's run metadata may name an open request."""

_current: ContextVar[Request | None] = ContextVar("ragtrace_request", default=None)
_open: weakref.WeakValueDictionary[str, Request] = weakref.WeakValueDictionary()


def _forked() -> None:
    """A child has none of its parent's threads: what one of them held it will not give back."""
    for request in _open.values():
        request._lock, request.taint.lock = threading.RLock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Stream(Protocol):
    """A model call whose answer is still coming."""

    def catch_up(self) -> None:
        """Remember what it has said so far."""


class Request:
    """One user-facing turn: who reads it, what was retrieved for it, whether it is blocked.

    A block is sticky: once a model call of the request was refused, every later one is, so
    that a fallback model cannot be asked instead. State lives here and nowhere else: no
    retriever, chain or model instance carries any.

    Attributes:
        id: 32 hex digits.
        audience: As it was named; ``None`` where nobody did.
        carried: What it has brought along from the service that called this one.
        taint: What it has handled here.
        span: The span of the turn; ``None`` where nothing opened one.
    """

    def __init__(
        self,
        audience: str | None,
        *,
        session: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
        carried: Envelope | None = None,
    ) -> None:
        self.id: Final = new_id()
        self.audience: Final = audience
        self.carried: Final = carried
        self.taint: Final = Taint()
        self._reader: tuple[Policy, Audience, dict[str, AttributeValue]] | None = None
        self.session: Final = session
        self.user: Final = user
        self.tenant: Final = tenant
        self.span: Span | None = None
        self._outer = trace.get_current_span().get_span_context()
        self._lock = threading.RLock()  # an abandoned stream may end in the midst of a step
        self._chunks: dict[str, Chunk] = {}
        self._passed: set[str] = set()
        self._said: set[str] = set()
        self._streams: weakref.WeakSet[Stream] | None = None  # most requests have none
        self._asked = 0
        self._tell: Callable[[], None] | None = None
        self._blocked: Decision | None = None
        self._tokens: list[Token[Request | None]] = []
        _open[self.id] = self

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata that binds one item of a batch to this request, whatever is current."""
        return {METADATA_KEY: self.id}

    def reader(self, policy: Policy) -> Audience:
        """Who will read the completion, as ``policy`` knows the audience.

        A request may outlive a policy: every step asks with the one that judges it.
        """
        return self._known_to(policy)[1]

    def attributes(self, policy: Policy) -> dict[str, AttributeValue]:
        """What every span of it says; not to be changed."""
        return self._known_to(policy)[2]

    def _known_to(self, policy: Policy) -> tuple[Policy, Audience, dict[str, AttributeValue]]:
        known = self._reader
        if known is None or known[0] is not policy:
            found = policy.audience(self.audience, principal=self.user, tenant=self.tenant)
            said = encode_request(
                self.id, found, session=self.session, user=self.user, tenant=self.tenant
            )
            known = self._reader = (policy, found, said)
        return known

    @property
    def blocked(self) -> Decision | None:
        """The decision that refused a model call of this request, if one did."""
        return self._blocked

    def block(self, decision: Decision) -> None:
        """Refuse every later model call too; the first decision stays the reason."""
        with self._lock:
            self._blocked = self._blocked or decision
            self._tell = None

    def saw(self, chunks: list[Chunk]) -> None:
        """Note what was retrieved for this request."""
        with self._lock:
            for chunk in chunks:
                self._chunks[chunk.digest] = chunk

    def let(self, digests: Iterable[str]) -> None:
        """Note texts, by digest, that a search has let through to the application."""
        with self._lock:
            self._passed.update(digests)

    def was_let(self, digest: str) -> bool:
        """Whether a search of this request has let this text through."""
        return digest in self._passed

    def own(self, digest: str) -> Chunk | None:
        """The chunk of this text as it was retrieved for this request."""
        return self._chunks.get(digest)

    @property
    def retrieved(self) -> dict[str, Chunk]:
        """What was retrieved for this request so far, by digest and in that order."""
        return self._chunks.copy()

    def asks(self) -> int:
        """Note that a model is asked: nothing said so far was the last word.

        Gives the place of the call among those of this request.
        """
        with self._lock:
            self._tell = None
            self._asked += 1
            return self._asked

    def said(self, *digests: str) -> None:
        """Note completions of this request."""
        with self._lock:
            self._said.update(digests)

    def last_word(self, place: int, tell: Callable[[], None]) -> None:
        """Note that the call at ``place`` has ended well; ``tell`` is called if it was the last.

        The last word of a turn that ends well is what its reader is told. What came before it was
        said by one step of the application to another. Of calls at the same time the one that has
        begun last counts if it ends last too, and none otherwise.
        """
        with self._lock:
            last = place == self._asked and self._blocked is None
            self._tell = tell if last else None

    @property
    def has_said(self) -> bool:
        """Whether a model has answered in this request."""
        return bool(self._said)

    def said_before(self, digest: str) -> bool:
        """Whether the text of this digest is a completion of this request."""
        return digest in self._said

    def streams(self, call: Stream) -> None:
        """Note a model call whose answer is still coming."""
        with self._lock:
            if self._streams is None:
                self._streams = weakref.WeakSet()
            self._streams.add(call)

    def streamed(self, call: Stream) -> None:
        """Note that the answer of a model call has come to its end."""
        if self._streams is not None:
            self._streams.discard(call)

    def catch_up(self) -> None:
        """Have what open streams have said so far be remembered.

        A step of the application may hand it on before the stream has ended, or without its
        ever ending.
        """
        if self._streams is not None:
            for stream in list(self._streams):
                stream.catch_up()

    def parent(self) -> Context:
        """The OpenTelemetry context that a step of this request starts in.

        That is the request's span, unless the application has opened a span of its own
        within it.
        """
        now = trace.get_current_span()
        if self.span is None or (now is not trace.INVALID_SPAN and self._is_within(now)):
            return trace.set_span_in_context(now)
        return trace.set_span_in_context(self.span)

    def _is_within(self, span: Span) -> bool:
        now = span.get_span_context()
        return now.is_valid and now != self._outer

    def enter(self) -> None:
        """Make this the current request of the running context."""
        self._tokens.append(_current.set(self))

    def leave(self) -> None:
        """Make the previous request current again."""
        token = self._tokens.pop()
        try:
            _current.reset(token)
        except ValueError:
            # Left in another context than it was entered in, as a generator may be: that
            # context ends by itself, and here there is nothing to put back.
            pass

    def end(self, *, failed: bool = False) -> None:
        """End the span; nobody can name this request any more.

        Args:
            failed: The application has left it with an error: its reader was told nothing.
        """
        _open.pop(self.id, None)
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None and not failed:
            with guarded("last word"):
                tell()
        if self.span is not None:
            self.span.end()


class OpenRequest:
    """A context manager around a request and its span; made by ``ragtrace.request``."""

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def metadata(self) -> dict[str, str]:
        """See ``Request.metadata``: ``config={"metadata": turn.metadata}``."""
        return self._request.metadata

    @property
    def id(self) -> str:
        """Id of the request, on every span of it."""
        return self._request.id

    def __enter__(self) -> OpenRequest:
        self._request.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._request.leave()
        self._request.end(failed=kind is not None)


def current_request(metadata: Mapping[str, object] | None = None) -> Request | None:
    """The request a step belongs to: the one its metadata names, else the current one."""
    named = (metadata or {}).get(METADATA_KEY)
    if named is not None:
        # A name nobody has opened (or that has ended) gives no request, hence the least
        # cleared audience; falling back to the current one would lend it its clearance.
        return _open.get(str(named))
    return _current.get()


def open_requests() -> list[Request]:
    """Those of this process that have not ended."""
    return list(_open.values())
