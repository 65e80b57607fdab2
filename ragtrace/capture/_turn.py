"""Turn: the request that a step belongs to, and whether the step is all there is to it."""

from __future__ import annotations

from ragtrace.capture._request import Request, current_request
from ragtrace.capture._retrieval import enclosing_request
from ragtrace.capture._runtime import Runtime

__all__ = ["Turn"]


class Turn:
    """A request, and whether the one step that asked for it is all there is to it."""

    def __init__(self, request: Request, *, single: bool) -> None:
        self.request = request
        self._single = single

    @classmethod
    def here(cls, runtime: Runtime) -> Turn:
        """The turn of a step that nothing tells whose it is but where it is called.

        That of the search around it, else the one that is open around it, else one for this step
        alone, for the audience in ``RAGTRACE_AUDIENCE``.
        """
        request = enclosing_request() or current_request()
        if request is not None:
            return cls(request, single=False)
        return cls(runtime.request(), single=True)

    def close(self) -> None:
        """End the request, if it was made for this step alone."""
        if self._single:
            self.request.end()
