"""Talk: one model call in LangChain's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ragtrace.capture import Call, Model, asking, current
from ragtrace.model import Message
from ragtrace_langchain._chunks import Chunks, without_tokens, words_of
from ragtrace_langchain._held import held
from ragtrace_langchain._messages import Parts
from ragtrace_langchain._turns import Turns

__all__ = ["Talk", "model_of"]

_current: ContextVar[Talk | None] = ContextVar("ragtrace_langchain_talk", default=None)


def model_of(model: Any, operation: str) -> Model:
    """What is known of a model object without asking anybody."""
    name = held(model, "model_name") or held(model, "model")
    return Model(operation, name if isinstance(name, str) else None, held(model, "_llm_type"))


class Talk:
    """One call of a chat model: judged once, guarded once, whatever path it takes.

    Attributes:
        streaming: Whether a stream of this call is being guarded just now, so that a
            ``_stream`` that calls its parent's is not guarded twice.
        streamed: Whether one ever was, and so has been recorded.
        armed: Whether anything may not be said.
        messages: What may be sent.
    """

    def __init__(self, model: Any, call: Call, turn: Any, parts: Parts) -> None:
        self.streaming = False
        self.streamed = False
        self.armed = call.armed
        self._model = model
        self._call = call
        self._turn = turn
        self._chunks = Chunks(call)
        self._pending: ChatGenerationChunk | None = None
        self.messages: list[BaseMessage] = parts.rebuilt(call.messages)

    @classmethod
    def open(
        cls,
        turns: Turns,
        model: Any,
        messages: Sequence[BaseMessage],
        run_manager: Any,
        *,
        stream: bool,
    ) -> Talk | None:
        """Judge the messages; ``None`` where ragtrace is shut down."""
        runtime = current()
        if runtime is None:
            return None
        turn = turns.of(runtime, run_manager)
        parts = Parts(messages)
        call = Call(runtime, turn.request, model_of(model, "chat"), parts.messages, stream=stream)
        return cls(model, call, turn, parts)

    @classmethod
    def inside(cls, model: Any) -> Talk | None:
        """The talk that this very model is having around the caller, if any."""
        talk = _current.get()
        return talk if talk is not None and talk._model is model else None

    def sends(self, messages: Any) -> bool:
        """Whether these are the very messages that were judged."""
        return messages is self.messages or bool(messages == self.messages)

    def around(self) -> AbstractContextManager[None]:
        """Be found by ``inside``; never held across a ``yield`` to the application."""
        return asking(self._call, variable=_current, value=self)

    @property
    def blocked(self) -> bool:
        """Whether the model must not be called."""
        return self._call.blocked

    def refusal(self) -> ChatResult:
        """What to answer instead.

        Raises:
            PolicyBlocked: The policy wants an exception.
        """
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=self._refuse()))])

    def refusal_chunk(self) -> ChatGenerationChunk:
        """The same for a stream."""
        return ChatGenerationChunk(message=AIMessageChunk(content=self._refuse()))

    def result(self, result: ChatResult) -> ChatResult:
        """A whole answer without what may not be said; of a stream's all of it has been said."""
        for generation in result.generations:
            self._note_usage(generation.message)
            if self.armed:
                _filter(generation, self._whole)
            if not self.streamed:
                parts = Parts([generation.message])
                content = generation.message.content
                said = content if type(content) is str else str(generation.message.text)
                self._call.record(said, *parts.texts(parts.aside))
        return result

    def cached(self, generations: list[ChatGeneration]) -> list[ChatGeneration]:
        """Answers out of a cache, without what may not be said to this audience."""
        copies = [generation.model_copy() for generation in generations]
        for generation in copies:
            _filter(generation, lambda said, aside: self._call.cached(*said, aside=aside))
        return copies

    def chunks(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """What may leave of a guarded stream now that ``chunk`` has arrived.

        The last chunk waits for the next, so that text held back to the end can leave in it: a
        chunk after the one that a provider marks as last would come too late.
        """
        self._note_usage(chunk.message)
        if self._pending is not None:
            yield self._pending
        self._pending = self._guarded(chunk)

    def note(self, chunk: ChatGenerationChunk) -> None:
        """Note a chunk of a stream in which nothing is guarded: it leaves as it is."""
        message = chunk.message
        if (words := words_of(message)) is not None:
            self._call.say(words)
        else:
            self._note_usage(message)
            self._chunks.note(message)

    def _guarded(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        message = self._chunks.guarded(chunk.message)
        if message is chunk.message and not chunk.generation_info and chunk.text == message.content:
            return chunk
        told = without_tokens(chunk.generation_info)
        return ChatGenerationChunk(message=message, generation_info=told)

    def tail(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk, with everything that turned out harmless."""
        if self._pending is not None:
            message = self._chunks.with_rest(cast("Any", self._pending.message))
            yield ChatGenerationChunk(
                message=message, generation_info=self._pending.generation_info
            )

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Note that a stream of this call is being guarded."""
        self.streaming = self.streamed = True
        try:
            yield
        finally:
            self.streaming = False

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the call with the block, noting an error, or a reader who went away early."""
        try:
            with self._call.ended():
                yield
        finally:
            self._turn.close()

    def _whole(self, said: list[str], aside: list[str]) -> list[str]:
        return [*self._call.whole(*said), *(self._call.whole(text)[0] for text in aside)]

    def _note_usage(self, message: BaseMessage) -> None:
        usage = held(message, "usage_metadata") or {}
        if "input_tokens" in usage and "output_tokens" in usage:
            self._call.used(usage["input_tokens"], usage["output_tokens"])

    def _refuse(self) -> str:
        try:
            return self._call.refuse()
        finally:
            self._turn.close()


def _filter(generation: ChatGeneration, keep: Callable[[list[str], list[str]], list[str]]) -> None:
    """Pass a whole answer through ``keep``: what is said, and what is not for reading."""
    message = generation.message
    parts = Parts([message])
    kept = list(parts.messages)
    texts = keep(parts.texts(parts.spoken), parts.texts(parts.aside))
    for place, text in zip([*parts.spoken, *parts.aside], texts, strict=True):
        kept[place] = Message(kept[place].role, text)
    (said,) = parts.rebuilt(kept)
    if said is message:
        return
    # A provider's own parse of the answer would repeat what has just been taken out.
    said.additional_kwargs.pop("parsed", None)
    said.response_metadata = without_tokens(said.response_metadata)
    generation.message = said
    generation.text = str(said.text)
    generation.generation_info = without_tokens(generation.generation_info)
