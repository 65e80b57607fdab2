"""Exchange: one call of the SDK, from its arguments to the response that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any, Final

from ragtrace.capture import Call, Model, Runtime, Turn, asking, current, is_asked
from ragtrace.model import Message
from ragtrace_openai._answers import Answer
from ragtrace_openai._asked import Asked
from ragtrace_openai._bodies import made, of_bytes, through
from ragtrace_openai._endpoint import Endpoint
from ragtrace_openai._pieces import Buffered, Pieces, Streamed
from ragtrace_openai._refusal import refusal
from ragtrace_openai._threads import Threads

__all__ = ["Exchange"]

_EVENTS: Final = "text/event-stream"

_RAW: Final = "X-Stainless-Raw-Response"
"""The header by which the SDK knows what kind of response it is to give."""

_threads = Threads()
_sending: ContextVar[Exchange | None] = ContextVar("ragtrace_openai_exchange", default=None)


class Exchange:
    """One call: judged before it is sent, guarded as its answer is read.

    Attributes:
        options: The SDK's own, with what may be sent.
    """

    def __init__(
        self, runtime: Runtime, client: Any, options: Any, endpoint: Endpoint, asked: Asked
    ) -> None:
        turn = Turn.here(runtime)
        body = _body(options)
        before = _threads.before(body or {})
        unseen = endpoint.unseen(body) if body is not None else "the body is not JSON"
        self._client = client
        self._closed = False
        self._endpoint = endpoint
        self._turn = turn
        self._body = body or {}
        self._call = Call(
            runtime,
            turn.request,
            Model(endpoint.operation, _name(self._body), _provider(client)),
            asked.messages,
            stream=bool(self._body.get("stream")),
            before=before or (),
            unseen=unseen or (Threads.UNSEEN if before is None else None),
        )
        self._shown = (*(before or ()), *self._call.messages)
        self._stored = options.method.lower() == "get"
        changed = self._call.messages != asked.messages and not self._call.blocked
        self.options = _sent(options, asked.rebuilt(self._call.messages)) if changed else options

    @classmethod
    def open(cls, client: Any, options: Any) -> Exchange | None:
        """Judge what is asked; ``None`` where that is no model, or a framework has judged it."""
        method, url = str(options.method), str(options.url)
        endpoint = Endpoint.of(method, url) or Endpoint.of_stored(method, url)
        runtime = current()
        if endpoint is None or runtime is None:
            return None
        asked = Asked(endpoint, _body(options) or {})
        if is_asked(asked.messages):
            return None
        return cls(runtime, client, options, endpoint, asked)

    @property
    def blocked(self) -> bool:
        """Whether the model must not be called."""
        return self._call.blocked

    def refusal(self) -> Any:
        """The response to give instead of sending anything.

        Raises:
            PolicyBlocked: The policy wants an exception.
        """
        try:
            text = self._call.refuse()
        finally:
            self._close()
        given = self.options.headers
        raw = {_RAW: given[_RAW]} if isinstance(given, Mapping) and _RAW in given else {}
        request = self._client._client.build_request("POST", self.options.url, headers=raw)
        return made(request, *refusal(self._endpoint, self._body, text))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """While the SDK sends it; ends the call with what is raised inside."""
        token = _sending.set(self)
        try:
            with asking(self._call):
                yield
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            _sending.reset(token)

    @classmethod
    def response(cls, response: Any) -> Any:
        """What the SDK is to read instead of what has come for the call around the caller."""
        exchange = _sending.get()
        return response if exchange is None else exchange._answered(response)

    def _answered(self, response: Any) -> Any:
        kind = response.headers.get("content-type", "")
        # Not every server says what it sends; the SDK reads what was asked for.
        streamed = kind.startswith(_EVENTS) or (self._body.get("stream") and "json" not in kind)
        if streamed and not self._stored:
            pieces: Pieces = Streamed(self._endpoint, self._call)
            self._turn.request.streams(pieces)
            return through(
                response, pieces, lambda: self._ended(pieces), lambda: self._over(pieces)
            )
        whole = Buffered(self._endpoint, self._call, stored=self._stored)
        if not response.is_closed:
            return through(response, whole, lambda: self._ended(whole), lambda: self._over(whole))
        given = whole.kept(response.content)
        whole.over = True
        self._over(whole)
        return response if given is response.content else of_bytes(response, given)

    def _over(self, pieces: Pieces) -> None:
        """End the call: all of the answer has arrived, or nobody wants the rest."""
        if self._closed:
            return
        pieces.catch_up()
        if pieces.over and self._endpoint is Endpoint.RESPONSES and not self._stored:
            said = Answer(self._endpoint, dict(pieces.answer)).texts
            messages = [*self._shown, *(Message("assistant", text) for text in said)]
            _threads.after(self._body, pieces.answer, messages)
        self._call.finish(partial=not pieces.over)
        self._close()

    def _fail(self, error: BaseException) -> None:
        self._call.finish(error)
        self._close()

    @contextmanager
    def _ended(self, pieces: Pieces) -> Iterator[None]:
        try:
            with self._call.ended():
                try:
                    yield
                finally:
                    pieces.catch_up()
        finally:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._turn.close()


def _body(options: Any) -> dict[str, Any] | None:
    """What is sent, as the SDK puts it together; ``None`` where it is no JSON object."""
    extra = options.extra_json
    given = options.json_data
    if given is None and not extra:
        return {} if options.method.lower() == "get" else None
    if not isinstance(given, Mapping):
        return None
    return {**given, **(extra or {})}


def _sent(options: Any, body: dict[str, Any]) -> Any:
    changed = copy(options)
    changed.json_data, changed.extra_json = body, None
    return changed


def _name(body: Mapping[str, Any]) -> str | None:
    name = body.get("model")
    return name if isinstance(name, str) else None


def _provider(client: Any) -> str:
    return "azure.ai.openai" if type(client).__name__.endswith("AzureOpenAI") else "openai"
