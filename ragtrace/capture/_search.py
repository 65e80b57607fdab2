"""Search: the bracket around one search of a store's own client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ragtrace.capture._retrieval import Retrieval
from ragtrace.capture._runtime import current
from ragtrace.capture._turn import Turn
from ragtrace.model import Source

__all__ = ["search"]


@contextmanager
def search(
    source: Source, *, query: str = "", top_k: int | None = None, turn: Turn | None = None
) -> Iterator[Retrieval | None]:
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
    runtime = current()
    if runtime is None:
        yield None
        return
    turn = turn or Turn.here(runtime)
    found = Retrieval(runtime, turn.request, source, top_k=top_k, query=query).begin()
    try:
        yield found
    except BaseException as error:
        found.end(error)
        raise
    else:
        found.end()
    finally:
        turn.close()
