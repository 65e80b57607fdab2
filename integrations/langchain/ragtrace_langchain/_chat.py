"""Chat hooks: the points through which every call of a chat model passes.

``_generate_with_cache`` is above the cache and below every tracer's try block; ``_stream``
and ``_astream`` of each model feed ``stream``, ``astream``, all three kinds of events and the
callbacks, so that what is kept back there is seen by none of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any, Final

from langchain_core.language_models._compat_bridge import achunks_to_events, chunks_to_events
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk

from ragtrace.capture import Patches
from ragtrace_langchain._managers import manager, overheard
from ragtrace_langchain._talk import Talk
from ragtrace_langchain._turns import Turns

__all__ = ["REQUIRED", "hook_chat"]

Method = Callable[..., Any]

REQUIRED: Final = ("_generate_with_cache", "_agenerate_with_cache", "_convert_cached_generations")
"""Methods of BaseChatModel without which calls would pass unjudged."""

ENTRIES: Final = ("invoke", "ainvoke", "stream", "astream", "generate", "agenerate")
"""Methods of BaseChatModel that come down to these."""

_FIRST: Final[Any] = object()
"""Stands for a chunk before any has come."""

_EVENTS: Final = ("_stream_chat_model_events", "_astream_chat_model_events")
"""Where a model makes protocol events itself instead of chunks."""


def hook_chat(patches: Patches, turns: Turns) -> None:
    """Judge every prompt before its model is called, and guard every answer."""
    hooks = _Hooks(turns)
    patches.entries(BaseChatModel, ENTRIES)
    for name, wrap in zip(REQUIRED, (hooks.generate, hooks.agenerate, _cached), strict=True):
        patches.method(BaseChatModel, name, wrap)
    patches.overrides(BaseChatModel, ["_stream"], hooks.stream, own=False)
    patches.overrides(BaseChatModel, ["_astream"], hooks.astream, own=False)
    for name, wrap in zip(_EVENTS, (_bridged, _abridged), strict=True):
        patches.overrides(BaseChatModel, [name], wrap, own=False, optional=True)


def _cached(original: Method) -> Method:
    def convert(self: Any, *args: Any, **kwargs: Any) -> Any:
        generations = original(self, *args, **kwargs)
        talk = Talk.inside(self)
        return generations if talk is None else talk.cached(generations)

    return convert


def _bridged(original: Method) -> Method:
    def events(self: Any, messages: Any, **kwargs: Any) -> Iterator[Any]:
        # LangChain's own bridge makes the same events from ``_stream``, which is guarded.
        return chunks_to_events(self._stream(messages, **kwargs))

    return events


def _abridged(original: Method) -> Method:
    def events(self: Any, messages: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return achunks_to_events(self._astream(messages, **kwargs))

    return events


class _Hooks:
    """The hooks, each made from the method it takes the place of."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def generate(self, original: Method) -> Method:
        def call(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
            talk = Talk.open(self._turns, model, messages, manager(args, kwargs), stream=False)
            if talk is None:
                return original(model, messages, *args, **kwargs)
            if talk.blocked:
                return talk.refusal()
            with talk.ended(), talk.around():
                return talk.result(original(model, talk.messages, *args, **kwargs))

        return call

    def agenerate(self, original: Method) -> Method:
        async def call(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
            talk = Talk.open(self._turns, model, messages, manager(args, kwargs), stream=False)
            if talk is None:
                return await original(model, messages, *args, **kwargs)
            if talk.blocked:
                return talk.refusal()
            with talk.ended(), talk.around():
                return talk.result(await original(model, talk.messages, *args, **kwargs))

        return call

    def stream(self, original: Method) -> Method:
        def chunks(
            model: Any, messages: Any, *args: Any, **kwargs: Any
        ) -> Iterator[ChatGenerationChunk]:
            talk, owned = self._talk(model, messages, manager(args, kwargs))
            if talk is None:
                yield from original(model, messages, *args, **kwargs)
                return
            if talk.blocked:
                yield talk.refusal_chunk()
                return
            with talk.ended() if owned else nullcontext(), talk.stream():
                tell, args, kwargs = overheard(talk.armed, args, kwargs)
                source = original(model, talk.messages if owned else messages, *args, **kwargs)
                around, chunk = talk.around(), _FIRST
                while chunk is not None:
                    chunk = around.next(source)
                    for said in talk.leaving(chunk):
                        if tell is not None:
                            tell(said)
                        yield said

        return chunks

    def astream(self, original: Method) -> Method:
        async def chunks(
            model: Any, messages: Any, *args: Any, **kwargs: Any
        ) -> AsyncIterator[ChatGenerationChunk]:
            talk, owned = self._talk(model, messages, manager(args, kwargs))
            if talk is None:
                async for chunk in original(model, messages, *args, **kwargs):
                    yield chunk
                return
            if talk.blocked:
                yield talk.refusal_chunk()
                return
            with talk.ended() if owned else nullcontext(), talk.stream():
                tell, args, kwargs = overheard(talk.armed, args, kwargs)
                source = original(model, talk.messages if owned else messages, *args, **kwargs)
                around, chunk = talk.around(), _FIRST
                while chunk is not None:
                    with around:
                        chunk = await anext(source, None)
                    for said in talk.leaving(chunk):
                        if tell is not None and (told := tell(said)) is not None:
                            await told
                        yield said

        return chunks

    def _talk(self, model: Any, messages: Any, run_manager: Any) -> tuple[Talk | None, bool]:
        """The talk to stream for, and whether it begins and ends with this stream.

        ``None`` as well where the stream is a part of one that is guarded already. A model that
        asks itself something else in between has another talk.
        """
        talk = Talk.inside(model)
        if talk is None or not talk.sends(messages):
            return Talk.open(self._turns, model, messages, run_manager, stream=True), True
        return (None if talk.streaming else talk), False
