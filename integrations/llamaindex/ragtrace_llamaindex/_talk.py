"""Talk: one model call in LlamaIndex's terms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from llama_index.core.llms.structured_llm import StructuredLLM

from ragtrace.capture import Call, Model, Turn, asked_by, asking, current
from ragtrace_llamaindex._answers import Pieces, filtered, usage
from ragtrace_llamaindex._parts import Parts
from ragtrace_llamaindex._prompts import Prompt
from ragtrace_llamaindex._turns import Turns

__all__ = ["Talk"]

_DELEGATES: Final = (StructuredLLM,)
"""Models that are none: all they do is ask another, which is judged and guarded itself."""

_END: Final = object()


class Talk:
    """One call of a model: judged once, and told of once, however many methods it goes through.

    Attributes:
        prompt: What may be sent.
        taken: Whether a method has undertaken to give its answer.
    """

    def __init__(self, model: Any, call: Call, turn: Turn, asked: Prompt) -> None:
        self.taken = False
        self._model = model
        self._call = call
        self._turn: Turn | None = turn
        self._asked = asked
        self._listening = 0
        self.prompt = asked.rebuilt(call.messages)

    @classmethod
    def open(cls, turns: Turns, model: Any, asked: Prompt, *, stream: bool) -> Talk | None:
        """Judge the prompt; ``None`` where that is done already, or is not ours to do."""
        runtime = current()
        if runtime is None or isinstance(model, _DELEGATES):
            return None
        around = cls.inside(model)
        if around is not None and around._sends(asked):
            return None
        turn = turns.of(runtime)
        what = _model_of(model, asked.operation)
        call = Call(runtime, turn.request, what, asked.messages, stream=stream)
        return cls(model, call, turn, asked)

    @classmethod
    def inside(cls, model: Any) -> Talk | None:
        """The talk that this very model is having around the caller, if any."""
        talk = asked_by(Talk)
        return talk if talk is not None and talk._model is model else None

    def _sends(self, asked: Prompt) -> bool:
        """Whether this is what was judged, as messages or put together as one text."""
        if asked.operation == self._asked.operation:
            return bool(asked.given == self.prompt)
        said, judged = _words(asked.messages), _words(self._call.messages)
        if asked.operation == "chat":
            return said == judged
        if said == judged:
            return True
        as_prompt = getattr(self._model, "messages_to_prompt", None)
        return as_prompt is not None and asked.given == as_prompt(self.prompt)

    def around(self) -> AbstractContextManager[None]:
        """Be found by ``inside``; never held across a ``yield`` to the application."""
        return asking(self._call, value=self)

    def ended(self) -> AbstractContextManager[None]:
        """End the call with the block, noting an error, or a reader who went away early."""
        return self._call.ended(self._leave)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """End the call if its stream cannot even begin."""
        try:
            yield
        except BaseException as error:
            self._call.finish(error)
            self._leave()
            raise

    def _leave(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.close()

    @property
    def blocked(self) -> bool:
        """Whether the model must not be called."""
        return self._call.blocked

    def refusal(self) -> Any:
        """What to answer instead.

        Raises:
            PolicyBlocked: The policy wants an exception.
        """
        try:
            return self._asked.answer(self._call.refuse())
        finally:
            self._leave()

    def take(self) -> bool:
        """Undertake to give the answer; whether nobody has before."""
        before, self.taken = self.taken, True
        return not before

    def result(self, answer: Any) -> Any:
        """A whole answer without what may not be said."""
        if (counted := usage(answer)) is not None:
            self._call.used(*counted)
        kept = self.overheard(answer)
        parts = Parts([kept])
        self._call.record("".join(parts.texts(parts.spoken)), *parts.texts(parts.aside))
        return kept

    def overheard(self, answer: Any) -> Any:
        """The same for those who listen on the way."""
        return filtered(answer, self._call) if self._call.armed else answer

    def stream(self, source: Any, *, mine: bool) -> Iterator[Any]:
        """A stream without what may not be said.

        Args:
            source: The model's answers, each with all that was said so far.
            mine: Whether the caller gets it, and not only those who listen on the way.
        """
        if not mine and not self._call.armed:
            return source  # type: ignore[no-any-return]
        made = self._stream(iter(source), mine)
        next(made)  # begun, it ends its call also if nobody reads it
        return made

    async def astream(self, source: Any, *, mine: bool) -> AsyncIterator[Any]:
        """The same for async callers."""
        if not mine and not self._call.armed:
            return source  # type: ignore[no-any-return]
        made = self._astream(aiter(source), mine)
        await anext(made)
        return made

    def _stream(self, source: Iterator[Any], mine: bool) -> Iterator[Any]:
        pieces = self._pieces(mine)
        with self._told(pieces, mine):
            yield None
            while (one := self._next(lambda: next(source, _END))) is not _END:
                yield pieces.said(one)
            yield from pieces.tail()

    async def _astream(self, source: AsyncIterator[Any], mine: bool) -> AsyncIterator[Any]:
        pieces = self._pieces(mine)
        with self._told(pieces, mine):
            yield None
            while (one := await self._anext(source)) is not _END:
                yield pieces.said(one)
            for one in pieces.tail():
                yield one

    def _pieces(self, mine: bool) -> Pieces:
        self._listening += not mine
        return Pieces(self._call, "" if mine else f"heard {self._listening} ")

    @contextmanager
    def _told(self, pieces: Pieces, mine: bool) -> Iterator[None]:
        if not mine:
            yield
            return
        with self.ended():
            try:
                yield
            finally:
                pieces.close()

    def _next(self, step: Callable[[], Any]) -> Any:
        with self.around():
            return step()

    async def _anext(self, source: AsyncIterator[Any]) -> Any:
        with self.around():
            return await anext(source, _END)


def _words(messages: Any) -> str:
    return "\n".join(message.text for message in messages)


def _model_of(model: Any, operation: str) -> Model:
    """What is known of a model object without asking anybody."""
    name = getattr(model, "model", None) or getattr(model, "model_name", None)
    return Model(operation, name if isinstance(name, str) else None, model.class_name())
