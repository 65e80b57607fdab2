"""Talk: one model call in LangChain's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from ragtrace.capture import Call, Model, asked_by, asking, current
from ragtrace.model import Message
from ragtrace_langchain._chunks import Chunks, note_usage, without_tokens, words_of
from ragtrace_langchain._held import held
from ragtrace_langchain._messages import Parts
from ragtrace_langchain._queue import Queue
from ragtrace_langchain._turns import Turns

__all__ = ["Talk", "model_of"]


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
        leaving: What may leave of a stream now that a chunk has arrived; ``None`` is its end.
    """

    def __init__(self, model: Any, call: Call, turn: Any, parts: Parts) -> None:
        self.streaming = False
        self.streamed = False
        self.armed = call.armed
        self._model = model
        self._call = call
        self._turn = turn
        self._chunks = Chunks(call)
        self._note = call.unheld()
        self.leaving: Final = self._noted if self._note else Queue(call).leaving
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
        talk = asked_by(Talk)
        return talk if talk is not None and talk._model is model else None

    def sends(self, messages: Any) -> bool:
        """Whether these are the very messages that were judged."""
        return messages is self.messages or bool(messages == self.messages)

    def around(self) -> asking:
        """Be found by ``inside``; never held across a ``yield`` to the application."""
        return asking(self._call, value=self)

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
            note_usage(self._call, generation.message)
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

    def _noted(self, chunk: ChatGenerationChunk | None) -> Sequence[ChatGenerationChunk]:
        """A chunk of a stream in which nothing is guarded: it leaves as it is."""
        if chunk is None:
            return ()
        if (words := words_of(chunk.message)) is not None and self._note is not None:
            self._note(words)
        else:
            self._chunks.note(chunk.message)
        return (chunk,)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Note that a stream of this call is being guarded."""
        self.streaming = self.streamed = True
        try:
            yield
        finally:
            self.streaming = False

    def ended(self) -> AbstractContextManager[None]:
        """End the call with the block, noting an error, or a reader who went away early."""
        return self._call.ended(self._turn.close)

    def _whole(self, said: list[str], aside: list[str]) -> list[str]:
        return [*self._call.whole(*said), *(self._call.whole(text)[0] for text in aside)]

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
