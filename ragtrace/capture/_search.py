"""Search: the bracket around one search of a store's own client."""

from __future__ import annotations

from ragtrace.capture._retrieval import Retrieval
from ragtrace.capture._runtime import current
from ragtrace.capture._turn import Turn
from ragtrace.model import Source

__all__ = ["search"]


class search:
    """One search, from the call of a client to what it may return; its ``judge`` says what.

    It belongs to the request that is open where it is called. Inside a retriever that ragtrace
    has wrapped it is a part of that one's search, and what it judges is not judged again. Leave
    it in the function that entered it. It is ``None`` where ragtrace is shut down.

    Args:
        source: What is searched.
        query: What was asked, where it is text.
        top_k: How many were asked for.
        turn: Whose it is, where a framework knows more of that than where it is called.
    """

    # A class and no generator, which takes thrice as long.
    __slots__ = ("_asked", "_found", "_turn")

    def __init__(
        self, source: Source, *, query: str = "", top_k: int | None = None, turn: Turn | None = None
    ) -> None:
        self._asked = source, query, top_k
        self._turn = turn
        self._found: Retrieval | None = None

    def __enter__(self) -> Retrieval | None:
        runtime = current()
        if runtime is None:
            return None
        source, query, top_k = self._asked
        turn = self._turn = self._turn or Turn.here(runtime)
        self._found = Retrieval(runtime, turn.request, source, top_k=top_k, query=query)
        return self._found.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if self._found is None or self._turn is None:
            return
        try:
            self._found.end(error)
        finally:
            self._turn.close()
