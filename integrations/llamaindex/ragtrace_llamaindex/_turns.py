"""Turns: which request a LlamaIndex step belongs to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Final

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import NullSpanHandler

from ragtrace.capture import Request, Runtime, Turn, current_request, enclosing_request, guarded

__all__ = ["Turns"]

RUNS: Final = 10_000
"""Runs remembered at once; one that is abandoned may never report its end."""


class _Root:
    """A top-level run; its request is made when a step of it first needs one."""

    __slots__ = ("request", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.request: Request | None = None


class Turns:
    """Observes the spans of LlamaIndex, so that steps of one top-level run share a request.

    Only where the application has opened none itself: an open ``ragtrace.request`` always
    comes first. It observes and never vetoes, because LlamaIndex swallows what handlers raise.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an abandoned run may end in the midst of a step
        self._roots: OrderedDict[str, _Root] = OrderedDict()
        self._ear = _ear(self)

    def listen(self) -> None:
        """Hear of every run from now on."""
        get_dispatcher().add_span_handler(self._ear)

    def leave(self) -> None:
        """Hear of none any more."""
        handlers = get_dispatcher().span_handlers
        handlers[:] = [handler for handler in handlers if handler is not self._ear]

    def of(self, runtime: Runtime) -> Turn:
        """The turn of a step: that of the search or request around it, else that of its run."""
        request = enclosing_request() or current_request()
        if request is not None:
            return Turn(request, single=False)
        with self._lock:
            root = self._roots.get(active_span_id.get() or "")
            if root is None:
                return Turn(runtime.request(), single=True)
            if root.request is None:
                root.request = runtime.request()
            return Turn(root.request, single=False)

    def began(self, run_id: str, parent_id: str | None) -> None:
        """Note under which top-level run this one is."""
        with self._lock:
            root = self._roots.get(parent_id) if parent_id is not None else None
            self._roots[run_id] = root or _Root(run_id)
            if len(self._roots) > RUNS:
                self._roots.popitem(last=False)

    def over(self, run_id: str, *, failed: bool = False) -> None:
        """Forget the run; the end of a top-level run ends its request.

        Args:
            run_id: Of the run.
            failed: What was said last in it was told to nobody.
        """
        with self._lock:
            root = self._roots.pop(run_id, None)
        if root is not None and root.run_id == run_id and root.request is not None:
            root.request.end(failed=failed)


def _ear(turns: Turns) -> NullSpanHandler:
    """What LlamaIndex tells of its runs.

    A pydantic model, whose attributes are found slowly: so it knows ``turns`` by where it is made.
    """

    class Ear(NullSpanHandler):
        def span_enter(
            self, id_: str, bound_args: Any, *args: Any, parent_id: str | None = None, **kwargs: Any
        ) -> None:
            try:
                turns.began(id_, args[1] if len(args) > 1 else parent_id)
            except Exception:  # where nothing fails, as ever, there is nothing to guard
                with guarded("run tree"):
                    raise

        def span_exit(self, id_: str, *args: Any, **kwargs: Any) -> None:
            try:
                turns.over(id_)
            except Exception:
                with guarded("run tree"):
                    raise

        def span_drop(self, id_: str, *args: Any, **kwargs: Any) -> None:
            with guarded("run tree"):
                turns.over(id_, failed=True)

    return Ear()
