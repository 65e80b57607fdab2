"""Turns: which request a LangChain step belongs to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextvars import ContextVar
from typing import Any, Final

from langchain_core.runnables.config import var_child_runnable_config

from ragtrace.capture import (
    METADATA_KEY,
    Request,
    Runtime,
    Turn,
    current_request,
    enclosing_request,
    renewed_in_child,
)

__all__ = ["Turns"]

RUNS: Final = 10_000
"""Runs remembered at once; an abandoned generator may never report its end."""

STRANGER: Final = "unknown"
"""Audience of a step that names a request nobody has open: no policy clears it."""


_started: ContextVar[Any] = ContextVar("ragtrace_langchain_step", default=None)
"""The run manager of the step that has just started in this context. LangChain calls a leaf right
after it has announced its start, and often tells it nothing of its run. The leaf takes it away:
what a stream's caller does between two tokens runs in the same context and is no part of the
step."""


class _Root:
    """A top-level run; its request is made when a step of it first needs one."""

    __slots__ = ("request", "run")

    def __init__(self, run: int) -> None:
        self.run = run
        self.request: Request | None = None


class Turns:
    """Knows the run tree, so that steps of one top-level run share a request.

    Only where the application has opened none itself: an open ``ragtrace.request`` always
    comes first.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an abandoned run may end in the midst of a step
        renewed_in_child(self)
        self._roots: OrderedDict[int, _Root] = OrderedDict()  # by the number of each run's id

    def of(
        self, runtime: Runtime, run_manager: Any = None, metadata: Any = None, *, leaf: bool = True
    ) -> Turn:
        """The turn of a step: the one it names, else the one around it, else its run's.

        Args:
            runtime: Makes the request where there is none.
            run_manager: The step's own, if LangChain passed it one.
            metadata: The step's own, if it was given any.
            leaf: Whether LangChain has just announced the step's start.
        """
        config = var_child_runnable_config.get() or {}
        step = _started.get() if leaf else None
        if step is not None:
            _started.set(None)
        said = (metadata, _metadata(run_manager), _metadata(step), config.get("metadata"))
        named = next((given for given in said if given and METADATA_KEY in given), None)
        request = current_request(named) if named else enclosing_request() or current_request()
        if request is not None:
            return Turn(request, single=False)
        if named:
            return Turn(runtime.request(STRANGER), single=True)
        parents = map(_parent, (run_manager, step, config.get("callbacks")))
        return self._of_run(runtime, next(filter(None, parents), None))

    def _of_run(self, runtime: Runtime, parent: int | None) -> Turn:
        with self._lock:
            root = self._roots.get(parent) if parent is not None else None
            if root is None:
                return Turn(runtime.request(), single=True)
            if root.request is None:
                root.request = runtime.request()
            return Turn(root.request, single=False)

    def chain_began(self, run: Any) -> None:
        """Note under which top-level run this one is; a tool is a run like a chain."""
        number, parent = run.run_id.int, run.parent_run_id
        with self._lock:
            root = None if parent is None else self._roots.get(parent.int)
            self._remember(number, root or _Root(number))

    def chain_ended(self, run: Any, *, failed: bool = False) -> None:
        """Forget the run; the end of a top-level run ends its request.

        Args:
            run: Its run manager.
            failed: What was said last in it was told to nobody.
        """
        number = run.run_id.int
        with self._lock:
            root = self._roots.pop(number, None)
        if root is not None and root.run == number and root.request is not None:
            root.request.end(failed=failed)

    def retriever_began(self, run: Any) -> None:
        """Note which run the leaf about to be called belongs to."""
        _started.set(run)
        parent = run.parent_run_id
        with self._lock:
            root = None if parent is None else self._roots.get(parent.int)
            if root is not None:  # a model that it asks is part of the same turn
                self._remember(run.run_id.int, root)

    def retriever_ended(self, run: Any, *, failed: bool = False) -> None:
        """Forget the run."""
        with self._lock:
            self._roots.pop(run.run_id.int, None)

    def model_began(self, runs: Any) -> None:
        """Note which run the leaf about to be called belongs to."""
        _started.set(runs[-1])

    def _remember(self, run: int, root: _Root) -> None:
        self._roots[run] = root
        if len(self._roots) > RUNS:
            self._roots.popitem(last=False)


def _metadata(told: Any) -> Any:
    return getattr(told, "metadata", None)


def _parent(told: Any) -> int | None:
    """The run a step is part of, as its run manager, its start or its config has it."""
    parent = getattr(told, "parent_run_id", None)
    return None if parent is None else parent.int
