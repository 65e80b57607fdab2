"""Turns: which request a LangChain step belongs to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextvars import ContextVar
from functools import cache
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook

from ragtrace.capture import (
    METADATA_KEY,
    Request,
    Runtime,
    Turn,
    current_request,
    enclosing_request,
    guarded,
)

__all__ = ["Turns", "turns"]

RUNS: Final = 10_000
"""Runs remembered at once; an abandoned generator may never report its end."""

STRANGER: Final = "unknown"
"""Audience of a step that names a request nobody has open: no policy clears it."""


class _Step:
    """A retriever or model run that has just started: what LangChain told its callbacks."""

    __slots__ = ("metadata", "parent_run_id")

    def __init__(self, parent: UUID | None, metadata: Any) -> None:
        self.parent_run_id = parent
        self.metadata = metadata or {}


_started: ContextVar[_Step | None] = ContextVar("ragtrace_langchain_step", default=None)
"""The step that has just started in this context. LangChain calls a leaf right after its start
callbacks, and often tells it nothing of its run. The leaf takes it away: what a stream's caller
does between two tokens runs in the same context and is no part of the step."""


class _Root:
    """A top-level run; its request is made when a step of it first needs one."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.request: Request | None = None


class Turns(BaseCallbackHandler):
    """Observes the run tree, so that steps of one top-level run share a request.

    Only where the application has opened none itself: an open ``ragtrace.request`` always
    comes first. It observes and never vetoes, because LangChain swallows what callbacks raise.
    """

    # No properties, as LangChain has them: it asks at every event, of a stream at every token.
    ignore_chain: bool = True
    ignore_retriever: bool = True
    ignore_llm: bool = True
    run_inline = True  # in order, and in the caller's task: an executor would reorder runs

    def __init__(self) -> None:
        self.switch(on=False)
        self._lock = threading.RLock()  # an abandoned run may end in the midst of a step
        self._roots: OrderedDict[UUID, _Root] = OrderedDict()

    def switch(self, *, on: bool) -> None:
        """Have LangChain tell of runs, or spare itself the calls."""
        self.ignore_chain = self.ignore_retriever = self.ignore_llm = not on

    def of(
        self, runtime: Runtime, run_manager: Any = None, metadata: Any = None, *, leaf: bool = True
    ) -> Turn:
        """The turn of a step: the one it names, else the one around it, else its run's.

        Args:
            runtime: Makes the request where there is none.
            run_manager: The step's own, if LangChain passed it one.
            metadata: The step's own, if it was given any.
            leaf: Whether LangChain has just told the callbacks of the step's start.
        """
        config = var_child_runnable_config.get() or {}
        told = [run_manager, config.get("callbacks")]
        said = [metadata, getattr(run_manager, "metadata", None), config.get("metadata")]
        if leaf and (step := _started.get()) is not None:
            _started.set(None)
            told.insert(1, step)
            said.insert(2, step.metadata)
        named = next((given for given in said if given and METADATA_KEY in given), None)
        request = current_request(named) if named else enclosing_request() or current_request()
        if request is not None:
            return Turn(request, single=False)
        if named:
            return Turn(runtime.request(STRANGER), single=True)
        return self._of_run(runtime, next(filter(None, map(_parent, told)), None))

    def _of_run(self, runtime: Runtime, parent: UUID | None) -> Turn:
        with self._lock:
            root = self._roots.get(parent) if parent is not None else None
            if root is None:
                return Turn(runtime.request(), single=True)
            if root.request is None:
                root.request = runtime.request()
            return Turn(root.request, single=False)

    def on_retriever_start(
        self,
        serialized: Any,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note which run the leaf about to be called belongs to."""
        with guarded("run tree"):
            _started.set(_Step(parent_run_id, metadata))
            with self._lock:
                root = self._roots.get(parent_run_id) if parent_run_id is not None else None
                if root is not None:  # a model that it asks is part of the same turn
                    self._remember(run_id, root)

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note which run the leaf about to be called belongs to."""
        _started.set(_Step(parent_run_id, metadata))

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        """A text model is asked like a chat model."""
        self.on_chat_model_start(serialized, prompts, **kwargs)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the run."""
        with guarded("run tree"), self._lock:
            self._roots.pop(run_id, None)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the run."""
        self.on_retriever_end(None, run_id=run_id)

    def _remember(self, run_id: UUID, root: _Root) -> None:
        self._roots[run_id] = root
        if len(self._roots) > RUNS:
            self._roots.popitem(last=False)

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note under which top-level run this one is."""
        with guarded("run tree"), self._lock:
            root = self._roots.get(parent_run_id) if parent_run_id is not None else None
            self._remember(run_id, root or _Root(run_id))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the run; the end of a top-level run ends its request."""
        self._over(run_id)

    def _over(self, run_id: UUID, *, failed: bool = False) -> None:
        with guarded("run tree"):
            with self._lock:
                root = self._roots.pop(run_id, None)
            if root is not None and root.run_id == run_id and root.request is not None:
                root.request.end(failed=failed)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """The run is over, and what was said last in it was told to nobody."""
        self._over(run_id, failed=True)

    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is a run like a chain."""
        self.on_chain_start(serialized, input_str, run_id=run_id, parent_run_id=parent_run_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool is a run like a chain."""
        self.on_chain_end(output, run_id=run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool is a run like a chain."""
        self.on_chain_error(error, run_id=run_id)


@cache
def turns() -> Turns:
    """The one of this process, present in every callback manager from its making on.

    LangChain has no way to take a hook back; ``switch`` makes this one inert.
    """
    made = Turns()
    variable: ContextVar[Turns | None] = ContextVar("ragtrace_langchain_turns", default=made)
    register_configure_hook(variable, inheritable=True)
    return made


def _parent(told: Any) -> UUID | None:
    """The run a step is part of, as its run manager, its start or its config has it."""
    parent: UUID | None = getattr(told, "parent_run_id", None)
    return parent
