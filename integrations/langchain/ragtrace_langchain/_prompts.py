"""Prompts: one call of a text model, which may be for several readers at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from langchain_core.outputs import Generation, LLMResult

from ragtrace.capture import Call, Turn, asked_by, asking
from ragtrace.errors import PolicyBlocked
from ragtrace_langchain._chunks import without_tokens

__all__ = ["Asked", "Prompt"]


class Prompt:
    """One prompt of a text model, with its call and its turn.

    Attributes:
        asked: Whether the model was; if not, a cache has answered.
        streaming: Whether a stream of it is being guarded just now.
        streamed: Whether one ever was, and so has been recorded.
    """

    def __init__(self, call: Call, turn: Turn) -> None:
        self.call = call
        self.asked = self.streaming = self.streamed = False
        self._turn = turn

    @property
    def text(self) -> str:
        """What may be sent."""
        return self.call.messages[0].text

    def refuse(self) -> str:
        """What to answer instead."""
        try:
            return self.call.refuse()
        finally:
            self._turn.close()

    def abandon(self, why: BaseException) -> None:
        """End without having asked."""
        self.call.finish(why)
        self._turn.close()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Note that a stream of it is being guarded."""
        self.asked = self.streaming = self.streamed = True
        try:
            yield
        finally:
            self.streaming = False

    def kept(self, generation: Any) -> Any:
        """An answer of the model, or of a cache, without what may not be said."""
        text = generation.text
        if not self.asked:
            (text,) = self.call.cached(text)
        (text,) = self.call.whole(text)
        if text == generation.text:
            return generation
        info = without_tokens(generation.generation_info)
        return Generation(text=text, generation_info=info)

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the call with the block."""
        try:
            with self.call.ended():
                yield
        finally:
            self._turn.close()


class Asked:
    """The prompts of one ``generate``: some to be asked, some refused."""

    def __init__(self, model: Any, prompts: Sequence[Prompt]) -> None:
        self._model = model
        self._prompts = prompts
        self.kept = [place for place, prompt in enumerate(prompts) if not prompt.call.blocked]
        self._refusals = self._refused()

    def _refused(self) -> dict[int, str]:
        """What to answer instead, by place; where that is an exception, nobody is asked."""
        try:
            return {
                place: prompt.refuse()
                for place, prompt in enumerate(self._prompts)
                if prompt.call.blocked
            }
        except PolicyBlocked as verdict:
            for place in self.kept:
                self._prompts[place].abandon(verdict)
            raise

    @classmethod
    def around(cls, model: Any) -> Asked | None:
        """What this very model is being asked around the caller, if anything."""
        asked = asked_by(Asked)
        return asked if asked is not None and asked._model is model else None

    def found(self) -> asking:
        """Be found by ``around``; never held across a ``yield`` to the application."""
        calls = [self._prompts[place].call for place in self.kept]
        return asking(*calls, value=self)

    @contextmanager
    def ended(self) -> Iterator[None]:
        """The same, and end every call that is made with the block."""
        with ExitStack() as stack:
            for place in self.kept:
                stack.enter_context(self._prompts[place].ended())
            with self.found():
                yield

    def sends(self, text: str) -> bool:
        """Whether this is the very text of a prompt that was judged."""
        return text in self.texts

    def streamed(self, text: str) -> Prompt | None:
        """The prompt that a stream inside this call is for, unless it is guarded already."""
        found = [self._prompts[place] for place in self.kept if self._prompts[place].text == text]
        return None if not found or found[0].streaming else found[0]

    def answered(self, texts: Sequence[str], result: LLMResult) -> LLMResult:
        """What the model said, without what may not be said to any who asked just that."""
        for place, text in enumerate(texts):
            for kept in self.kept:
                prompt = self._prompts[kept]
                if prompt.text == text:
                    prompt.asked = True
                    result.generations[place] = list(map(prompt.kept, result.generations[place]))
        return result

    @property
    def texts(self) -> list[str]:
        """What may be sent."""
        return [self._prompts[place].text for place in self.kept]

    def of_kept(self, value: Any) -> Any:
        """An argument given once for all prompts, or a list of one for each."""
        if isinstance(value, list) and len(value) == len(self._prompts):
            return [value[place] for place in self.kept]
        return value

    def result(self, result: LLMResult | None) -> LLMResult:
        """The answers in the order of the prompts, refusals among them."""
        answers: dict[int, Any] = {
            place: [Generation(text=text)] for place, text in self._refusals.items()
        }
        for place, generations in zip(self.kept, result.generations if result else [], strict=True):
            prompt = self._prompts[place]
            answers[place] = [prompt.kept(generation) for generation in generations]
            if not prompt.streamed:
                for generation in answers[place]:
                    prompt.call.record(generation.text)
        if result is None:
            return LLMResult(generations=[answers[place] for place in sorted(answers)])
        result.generations = [answers[place] for place in sorted(answers)]
        return result
