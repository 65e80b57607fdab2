"""Queue: the chunks of a guarded stream, each waiting until all of its words may leave."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, cast

from langchain_core.outputs import ChatGenerationChunk

from ragtrace.capture import TEXT, Call
from ragtrace_langchain._chunks import Chunks, without_tokens, words_of

__all__ = ["Queue"]

MOST_READY: Final = 48
"""Characters that may leave and yet wait for the last words of their chunk, at most: as many as a
guard may hold back. A long chunk is cut rather than kept for its end."""

MOST_WAITING: Final = 64
"""Chunks that wait, at most: of a run that is withheld, however long, no words ever leave."""


class Queue:
    """What may leave of a stream in which something may not be said.

    A chunk that is words and nothing else leaves as the object that came, once the guard has let
    go of all its words; where the guard takes some out, chunks leave with other words. What has
    left says, in order, what the guard has let go of, and nothing else. The last chunk waits for
    the next, so that text held back to the end can leave in it: a chunk after the one that a
    provider marks as last would come too late.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._chunks = Chunks(call)
        # With the words of each; a chunk that has no more to wait for is whole and has none.
        self._waiting: deque[tuple[ChatGenerationChunk, str | None]] = deque()
        self._ready = ""  # what the guard has let go of and no chunk has said that has left

    def leaving(self, chunk: ChatGenerationChunk | None) -> list[ChatGenerationChunk]:
        """What may leave now that ``chunk`` has arrived; ``None`` is the end of the stream."""
        if chunk is None:
            return self._rest()
        words = words_of(chunk.message)
        if words is None:
            return self._put_whole(chunk)
        if chunk.generation_info or chunk.text != words:
            chunk = _made(chunk.message, without_tokens(chunk.generation_info))
        self._waiting.append((chunk, words))
        self._ready += self._call.say(words)
        leaving = self._leaving()
        front = self._waiting[0][1] or ""
        if (
            not front.startswith(self._ready)
            or len(self._ready) > MOST_READY
            or len(self._waiting) > MOST_WAITING
        ):
            self._share_out()
            leaving += self._leaving()
        return leaving

    def _rest(self) -> list[ChatGenerationChunk]:
        """What waited; nothing arrives after it."""
        held = self._call.rest()
        self._ready += held.pop(TEXT, "")
        leaving = self._leaving()
        if not self._waiting:
            return leaving
        if self._waiting[0][1] is not None:
            self._share_out()
        elif self._ready:
            held = {TEXT: self._ready, **held}
        leaving += [chunk for chunk, _ in self._waiting]
        if held:
            last = leaving[-1]
            message = self._chunks.with_rest(last.message, held)
            leaving[-1] = _made(message, last.generation_info)
        return leaving

    def _put_whole(self, chunk: ChatGenerationChunk) -> list[ChatGenerationChunk]:
        """The same for a chunk of several texts; what was held back may leave in its own."""
        leaving = self._leaving()
        if self._waiting and self._waiting[0][1] is not None:
            self._share_out(held="")
        leaving += [waited for waited, _ in self._waiting]
        self._ready = ""
        whole = _made(self._chunks.guarded(chunk.message), without_tokens(chunk.generation_info))
        self._waiting = deque([(whole, None)])
        return leaving

    def _leaving(self) -> list[ChatGenerationChunk]:
        """The chunks, but for the last, of which all words may leave."""
        leaving = []
        waiting, ready = self._waiting, self._ready
        while len(waiting) > 1 and ready.startswith(waiting[0][1] or ""):
            chunk, words = waiting.popleft()
            ready = ready[len(words or "") :]
            leaving.append(chunk)
        self._ready = ready
        return leaving

    def _share_out(self, held: str | None = None) -> None:
        """Give what is ready to the first that waits, and what is held back to the last."""
        words = [""] * len(self._waiting)
        words[0] = self._ready
        words[-1] += self._call.held(TEXT) if held is None else held
        self._waiting = deque(
            (_with(chunk, now, before), now)
            for (chunk, before), now in zip(self._waiting, words, strict=True)
        )


def _with(chunk: ChatGenerationChunk, words: str, before: str | None) -> ChatGenerationChunk:
    """A chunk of words with others."""
    if words == before:
        return chunk
    return _made(chunk.message.model_copy(update={"content": words}), chunk.generation_info)


def _made(message: Any, told: dict[str, Any] | None) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=cast("Any", message), generation_info=told)
