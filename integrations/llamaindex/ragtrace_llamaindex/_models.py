"""Model hooks: the eight methods through which every call of a language model passes.

Each is hooked in two places. Outside of its decorators the prompt is judged before anybody,
tracers included, is told of it. Inside of them the answer is guarded before anybody has it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.multi_modal_llms import MultiModalLLM

from ragtrace.capture import Patches
from ragtrace_llamaindex._inside import inside
from ragtrace_llamaindex._prompts import ChatPrompt, Prompt, TextPrompt
from ragtrace_llamaindex._talk import Talk
from ragtrace_llamaindex._turns import Turns

__all__ = ["METHODS", "hook_models"]

Method = Callable[..., Any]

METHODS: Final[dict[str, tuple[str, Callable[[Any], Prompt]]]] = {
    "chat": ("messages", ChatPrompt),
    "complete": ("prompt", TextPrompt),
}
"""By what name each kind of method takes what it is asked, and what makes a prompt of that. Each is
there as a stream too, and both for async callers."""


def hook_models(patches: Patches, turns: Turns) -> None:
    """Judge every prompt before its model is called, and guard every answer."""
    for base in (BaseLLM, MultiModalLLM):
        for name, (keyword, kind) in METHODS.items():
            hooks = _Hooks(turns, keyword, kind)
            patches.overrides(base, [name], hooks.whole)
            patches.overrides(base, [f"a{name}"], hooks.awhole)
            patches.overrides(base, [f"stream_{name}"], hooks.stream)
            patches.overrides(base, [f"astream_{name}"], hooks.astream)


class _Hooks:
    """The hooks for one kind of prompt, each made from the method it takes the place of."""

    def __init__(self, turns: Turns, keyword: str, kind: Callable[[Any], Prompt]) -> None:
        self._turns = turns
        self._keyword = keyword
        self._kind = kind

    def whole(self, original: Method) -> Method:
        method = inside(original, _answered)

        def call(model: Any, *args: Any, **kwargs: Any) -> Any:
            talk = self._talk(model, args, kwargs, stream=False)
            if talk is None:
                return method(model, *args, **kwargs)
            if talk.blocked:
                return talk.refusal()
            with talk.ended(), talk.around():
                args, kwargs = self._with(talk.prompt, args, kwargs)
                answer = method(model, *args, **kwargs)
                return talk.result(answer) if talk.take() else answer

        return call

    def awhole(self, original: Method) -> Method:
        method = inside(original, _aanswered)

        async def call(model: Any, *args: Any, **kwargs: Any) -> Any:
            talk = self._talk(model, args, kwargs, stream=False)
            if talk is None:
                return await method(model, *args, **kwargs)
            if talk.blocked:
                return talk.refusal()
            with talk.ended(), talk.around():
                args, kwargs = self._with(talk.prompt, args, kwargs)
                answer = await method(model, *args, **kwargs)
                return talk.result(answer) if talk.take() else answer

        return call

    def stream(self, original: Method) -> Method:
        method = inside(original, _streamed)

        def call(model: Any, *args: Any, **kwargs: Any) -> Any:
            talk = self._talk(model, args, kwargs, stream=True)
            if talk is None:
                return method(model, *args, **kwargs)
            if talk.blocked:
                return _one(talk.refusal())
            args, kwargs = self._with(talk.prompt, args, kwargs)
            with talk.begun(), talk.around():
                source = method(model, *args, **kwargs)
                return talk.stream(source, mine=True) if talk.take() else source

        return call

    def astream(self, original: Method) -> Method:
        method = inside(original, _astreamed)

        async def call(model: Any, *args: Any, **kwargs: Any) -> Any:
            talk = self._talk(model, args, kwargs, stream=True)
            if talk is None:
                return await method(model, *args, **kwargs)
            if talk.blocked:
                return _aone(talk.refusal())
            args, kwargs = self._with(talk.prompt, args, kwargs)
            with talk.begun(), talk.around():
                source = await method(model, *args, **kwargs)
                return await talk.astream(source, mine=True) if talk.take() else source

        return call

    def _talk(
        self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, stream: bool
    ) -> Talk | None:
        given = args[0] if args else kwargs.get(self._keyword)
        if given is None:  # the method will say what is missing
            return None
        return Talk.open(self._turns, model, self._kind(given), stream=stream)

    def _with(
        self, prompt: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (prompt, *args[1:]), kwargs
        return args, {**kwargs, self._keyword: prompt}


def _answered(function: Method) -> Method:
    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        talk = Talk.inside(model)
        if talk is None:
            return function(model, *args, **kwargs)
        mine = talk.take()
        answer = function(model, *args, **kwargs)
        return talk.result(answer) if mine else talk.overheard(answer)

    return call


def _aanswered(function: Method) -> Method:
    async def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        talk = Talk.inside(model)
        if talk is None:
            return await function(model, *args, **kwargs)
        mine = talk.take()
        answer = await function(model, *args, **kwargs)
        return talk.result(answer) if mine else talk.overheard(answer)

    return call


def _streamed(function: Method) -> Method:
    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        talk = Talk.inside(model)
        if talk is None:
            return function(model, *args, **kwargs)
        mine = talk.take()
        return talk.stream(function(model, *args, **kwargs), mine=mine)

    return call


def _astreamed(function: Method) -> Method:
    async def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        talk = Talk.inside(model)
        if talk is None:
            return await function(model, *args, **kwargs)
        mine = talk.take()
        return await talk.astream(await function(model, *args, **kwargs), mine=mine)

    return call


def _one(answer: Any) -> Iterator[Any]:
    yield answer


async def _aone(answer: Any) -> AsyncIterator[Any]:
    yield answer
