"""Text hooks: models that take one string and give one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Final

from langchain_core.language_models.llms import BaseLLM
from langchain_core.outputs import GenerationChunk

from ragtrace.capture import TEXT, Call, Patches, current
from ragtrace.model import Message
from ragtrace_langchain._chunks import without_tokens
from ragtrace_langchain._managers import manager, overheard
from ragtrace_langchain._prompts import Asked, Prompt
from ragtrace_langchain._talk import model_of
from ragtrace_langchain._turns import Turns

__all__ = ["hook_text"]

ENTRIES: Final = ("invoke", "ainvoke", "stream", "astream")
"""Methods of BaseLLM that come down to what is wrapped."""

Method = Callable[..., Any]

_FIRST: Final[Any] = object()
"""Stands for a chunk before any has come."""


def hook_text(patches: Patches, turns: Turns) -> None:
    """Judge every prompt of a text model above its cache, and guard every answer.

    ``generate`` decides, and sees what a cache answers; ``_generate`` of each model is where
    an answer is guarded before callbacks have it.
    """
    hooks = _Hooks(turns)
    patches.entries(BaseLLM, ENTRIES)
    for name, wrap in (("generate", hooks.generate), ("agenerate", hooks.agenerate)):
        patches.method(BaseLLM, name, wrap)
    patches.overrides(BaseLLM, ["_generate"], _answer)
    patches.overrides(BaseLLM, ["_agenerate"], _aanswer)
    patches.overrides(BaseLLM, ["_stream"], hooks.stream, own=False)
    patches.overrides(BaseLLM, ["_astream"], hooks.astream, own=False)


def _answer(original: Method) -> Method:
    def answer(model: Any, prompts: Any, *args: Any, **kwargs: Any) -> Any:
        asked = Asked.around(model)
        result = original(model, prompts, *args, **kwargs)
        return result if asked is None else asked.answered(prompts, result)

    return answer


def _aanswer(original: Method) -> Method:
    async def answer(model: Any, prompts: Any, *args: Any, **kwargs: Any) -> Any:
        asked = Asked.around(model)
        result = await original(model, prompts, *args, **kwargs)
        return result if asked is None else asked.answered(prompts, result)

    return answer


class _Hooks:
    """The hooks, each made from the method it takes the place of."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def generate(self, original: Method) -> Method:
        def call(
            model: Any, prompts: Any, stop: Any = None, callbacks: Any = None, **kwargs: Any
        ) -> Any:
            asked = self._asked(model, prompts, callbacks, kwargs)
            if asked is None:
                return original(model, prompts, stop, callbacks, **kwargs)
            if not asked.kept:
                return asked.result(None)
            given = {name: asked.of_kept(value) for name, value in kwargs.items()}
            with asked.ended():
                return asked.result(
                    original(model, asked.texts, stop, asked.of_kept(callbacks), **given)
                )

        return call

    def agenerate(self, original: Method) -> Method:
        async def call(
            model: Any, prompts: Any, stop: Any = None, callbacks: Any = None, **kwargs: Any
        ) -> Any:
            asked = self._asked(model, prompts, callbacks, kwargs)
            if asked is None:
                return await original(model, prompts, stop, callbacks, **kwargs)
            if not asked.kept:
                return asked.result(None)
            given = {name: asked.of_kept(value) for name, value in kwargs.items()}
            with asked.ended():
                return asked.result(
                    await original(model, asked.texts, stop, asked.of_kept(callbacks), **given)
                )

        return call

    def stream(self, original: Method) -> Method:
        def chunks(model: Any, prompt: str, *args: Any, **kwargs: Any) -> Iterator[GenerationChunk]:
            asked, owned = self._streamed(model, prompt, manager(args, kwargs))
            if asked is None:
                yield from original(model, prompt, *args, **kwargs)
                return
            if asked.call.blocked:
                yield GenerationChunk(text=asked.refuse())
                return
            with asked.ended() if owned else nullcontext(), asked.stream():
                around = Asked(model, [asked]).found()
                tell, args, kwargs = overheard(asked.call.armed, args, kwargs)
                source = original(model, asked.text, *args, **kwargs)
                chunk = _FIRST
                while chunk is not None:
                    chunk = around.next(source)
                    for said in _leaving(asked.call, chunk):
                        if tell is not None:
                            tell(said)
                        yield said

        return chunks

    def astream(self, original: Method) -> Method:
        async def chunks(
            model: Any, prompt: str, *args: Any, **kwargs: Any
        ) -> AsyncIterator[GenerationChunk]:
            asked, owned = self._streamed(model, prompt, manager(args, kwargs))
            if asked is None:
                async for chunk in original(model, prompt, *args, **kwargs):
                    yield chunk
                return
            if asked.call.blocked:
                yield GenerationChunk(text=asked.refuse())
                return
            with asked.ended() if owned else nullcontext(), asked.stream():
                around = Asked(model, [asked]).found()
                tell, args, kwargs = overheard(asked.call.armed, args, kwargs)
                source = original(model, asked.text, *args, **kwargs)
                chunk = _FIRST
                while chunk is not None:
                    with around:
                        chunk = await anext(source, None)
                    for said in _leaving(asked.call, chunk):
                        if tell is not None and (told := tell(said)) is not None:
                            await told
                        yield said

        return chunks

    def _streamed(self, model: Any, text: str, run_manager: Any) -> tuple[Prompt | None, bool]:
        """The prompt to stream for, and whether its call begins and ends with this stream."""
        around = Asked.around(model)
        if around is not None and around.sends(text):
            return around.streamed(text), False
        return self._prompt(model, text, run_manager, None, stream=True), True

    def _asked(
        self, model: Any, prompts: Any, callbacks: Any, kwargs: dict[str, Any]
    ) -> Asked | None:
        known = [
            self._prompt(model, prompt, manager, said, stream=False)
            for prompt, manager, said in zip(
                prompts,
                _each(callbacks, prompts),
                _each(kwargs.get("metadata"), prompts),
                strict=True,
            )
        ]
        opened = [prompt for prompt in known if prompt is not None]
        return Asked(model, opened) if len(known) == len(opened) else None

    def _prompt(
        self, model: Any, prompt: str, run_manager: Any, metadata: Any, *, stream: bool
    ) -> Prompt | None:
        runtime = current()
        if runtime is None:
            return None
        turn = self._turns.of(runtime, run_manager, metadata, leaf=stream)
        what, said = model_of(model, "text_completion"), [Message("user", prompt)]
        return Prompt(Call(runtime, turn.request, what, said, stream=stream), turn)


def _each(given: Any, prompts: Sequence[str]) -> list[Any]:
    """An argument given once for all prompts, or a list of one for each, as the latter."""
    if isinstance(given, list) and len(given) == len(prompts):
        return given
    return [given] * len(prompts)


def _leaving(call: Call, chunk: GenerationChunk | None) -> Sequence[GenerationChunk]:
    """What may leave of a stream now that ``chunk`` has arrived; ``None`` is its end."""
    if chunk is None:
        held = call.rest().get(TEXT)
        return (GenerationChunk(text=held),) if held else ()
    text = call.say(chunk.text)
    if text == chunk.text:
        return (chunk,)
    return (GenerationChunk(text=text, generation_info=without_tokens(chunk.generation_info)),)
