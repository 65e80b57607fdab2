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
    for announces in (manager.CallbackManager, manager.AsyncCallbackManager):
        for name, note in (
            ("on_chain_start", turns.chain_began),
            ("on_tool_start", turns.chain_began),
            ("on_retriever_start", turns.retriever_began),
            ("on_chat_model_start", turns.model_began),
            ("on_llm_start", turns.model_began),
        ):
            patches.method(announces, name, functools.partial(_begins, note), optional=True)
    for run, kind, note in (
        (manager.CallbackManagerForChainRun, "chain", turns.chain_ended),
        (manager.AsyncCallbackManagerForChainRun, "chain", turns.chain_ended),
        (manager.CallbackManagerForToolRun, "tool", turns.chain_ended),
        (manager.AsyncCallbackManagerForToolRun, "tool", turns.chain_ended),
        (manager.CallbackManagerForRetrieverRun, "retriever", turns.retriever_ended),
        (manager.AsyncCallbackManagerForRetrieverRun, "retriever", turns.retriever_ended),
    ):
        failed = functools.partial(note, failed=True)
        patches.method(run, f"on_{kind}_end", functools.partial(_ends, note), optional=True)
        patches.method(run, f"on_{kind}_error", functools.partial(_ends, failed), optional=True)


def _begins(note: Note, original: Method) -> Method:
    """Note what has begun, which is what the announcement gives back."""
    if inspect.iscoroutinefunction(original):

        async def abegin(self: Any, *args: Any, **kwargs: Any) -> Any:
            run = await original(self, *args, **kwargs)
            _noted(note, run)
            return run

        return abegin

    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = original(self, *args, **kwargs)
        _noted(note, run)
        return run

    return begin


def _ends(note: Note, original: Method) -> Method:
    """Note first what has ended: somebody else's handler may raise."""

    def end(self: Any, *args: Any, **kwargs: Any) -> Any:
        _noted(note, self)
        return original(self, *args, **kwargs)

    return end


def _noted(note: Note, run: Any) -> None:
    try:
        note(run)
    except Exception:  # eighteen times a call nothing fails, and then there is nothing to guard
        with guarded("run tree"):
            raise
