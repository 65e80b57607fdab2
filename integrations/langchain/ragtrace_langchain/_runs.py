"""Runs: where LangChain announces that a step has begun, and that it has ended."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import manager

from ragtrace.capture import Patches, guarded
from ragtrace_langchain._turns import Turns

__all__ = ["hook_runs"]

Method = Callable[..., Any]
Note = Callable[[Any], None]


def hook_runs(patches: Patches, turns: Turns) -> None:
    """Have ``turns`` know of every run.

    The announcements themselves are listened to, and no callback handler is registered: with one
    in its list LangChain copies that list for every run and asks it at every token of a stream.
    """

    def hook(owner: type, name: str, wrap: Callable[..., Method], note: Note) -> None:
        wrap = functools.partial(wrap, patches, note)
        patches.method(owner, name, wrap, optional=True, listens=True)

    for announces in (manager.CallbackManager, manager.AsyncCallbackManager):
        for name, note in (
            ("on_chain_start", turns.chain_began),
            ("on_tool_start", turns.chain_began),
            ("on_retriever_start", turns.retriever_began),
            ("on_chat_model_start", turns.model_began),
            ("on_llm_start", turns.model_began),
        ):
            hook(announces, name, _begins, note)
    for run, kind, note in (
        (manager.CallbackManagerForChainRun, "chain", turns.chain_ended),
        (manager.AsyncCallbackManagerForChainRun, "chain", turns.chain_ended),
        (manager.CallbackManagerForToolRun, "tool", turns.chain_ended),
        (manager.AsyncCallbackManagerForToolRun, "tool", turns.chain_ended),
        (manager.CallbackManagerForRetrieverRun, "retriever", turns.retriever_ended),
        (manager.AsyncCallbackManagerForRetrieverRun, "retriever", turns.retriever_ended),
    ):
        hook(run, f"on_{kind}_end", _ends, note)
        hook(run, f"on_{kind}_error", _ends, functools.partial(note, failed=True))


def _begins(patches: Patches, note: Note, original: Method) -> Method:
    """Note what has begun, which is what the announcement gives back."""
    if inspect.iscoroutinefunction(original):

        async def abegin(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = await original(self, *args, **kwargs)
            if patches.active:
                try:
                    note(run)
                except Exception:
                    _failed()
            return run

        return abegin

    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = original(self, *args, **kwargs)
        if patches.active:
            try:
                note(run)
            except Exception:
                _failed()
        return run

    return begin


def _ends(patches: Patches, note: Note, original: Method) -> Method:
    """Note first what has ended: somebody else's handler may raise."""

    def end(self: Any, *args: Any, **kwargs: Any) -> Any:
        if patches.active:
            try:
                note(self)
            except Exception:
                _failed()
        return original(self, *args, **kwargs)

    return end


def _failed() -> None:
    """What is handled just now: seventeen times a call nothing is, and then nothing is guarded."""
    with guarded("run tree"):
        raise
