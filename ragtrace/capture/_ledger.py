"""Ledger: the labelled text this process has seen."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ragtrace.attribution import Cover, Index, Reading, Templates, read
from ragtrace.model import (
    Attribution,
    Chunk,
    Decision,
    Document,
    Label,
    Message,
    Source,
    digest,
)

__all__ = ["Ledger", "Seen"]

CHUNKS: Final = 2048
"""Chunks remembered per process, the least recently retrieved forgotten first. One of 1 KB
takes about 25 KB with its seeds, so about 50 MB in all."""

COMPLETIONS: Final = 512
"""Completions remembered, so that what a model said is known when it comes back as context."""

MARKS: Final = 4096
"""Blocked chunks whose marks are remembered; a mark that is forgotten stands for no text."""

_MARK: Final = "[ragtrace:blocked:{token}]"


@dataclass(frozen=True, slots=True)
class Seen:
    """What of the remembered text is in some messages.

    Attributes:
        found: Of chunks.
        chunks: These, by digest.
        derived: Of earlier completions, outside the assistant's own messages.
        template: What stands in this application's prompts whatever is asked.
        reading: The messages as they were read.
    """

    found: Sequence[Attribution]
    chunks: dict[str, Chunk]
    derived: Sequence[Attribution]
    template: Cover
    reading: Reading


class Ledger:
    """What labelled text has been retrieved, so that it is known again wherever it turns up.

    Text is found by content, not by the path it took: through a thread, a cache, a tool
    message or a conversation's history. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index = Index()
        self._chunks: OrderedDict[str, Chunk] = OrderedDict()
        self._derived = Index()
        self._said: OrderedDict[str, str | None] = OrderedDict()  # None once it is in the index
        self._templates = Templates()
        self._marks: OrderedDict[str, tuple[Chunk, Decision]] = OrderedDict()

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Remember ``chunks``; of two with the same text, the later one counts."""
        with self._lock:
            chunks = list(chunks)
            self._index.add(*chunks)
            for chunk in chunks:
                self._chunks[chunk.digest] = chunk
                self._chunks.move_to_end(chunk.digest)
            while len(self._chunks) > CHUNKS:
                forgotten, _ = self._chunks.popitem(last=False)
                self._index.remove(forgotten)

    def said(self, text: str) -> None:
        """Remember a completion. It is made findable when it is next looked for, not now."""
        with self._lock:
            name = digest(text)
            self._said[name] = None if name in self._derived else text
            self._said.move_to_end(name)
            while len(self._said) > COMPLETIONS:
                forgotten, _ = self._said.popitem(last=False)
                self._derived.remove(forgotten)

    def attribute(self, messages: Sequence[Message]) -> Seen:
        """What of the remembered text is in ``messages``."""
        reading = read(messages)
        with self._lock:
            self._take_in_completions()
            found = self._index.attribute(reading)
            chunks = {one.chunk: self._chunks[one.chunk] for one in found}
            template = self._templates.find(messages)
            found = self._templates.settle(template, found, _documents(chunks))
            derived = _outside_turns(self._derived.attribute(reading), messages)
        return Seen(found, chunks, derived, template, reading)

    def learn(self, turn: str, messages: Sequence[Message], seen: Seen) -> None:
        """Take note of a prompt of request ``turn``, for what all prompts have in common."""
        with self._lock:
            self._templates.learn(turn, messages, seen.found, _documents(seen.chunks))

    def mark(self, chunk: Chunk, decision: Decision) -> str:
        """A text to stand for ``chunk``, which blocks whatever prompt it reaches.

        The mark holds no document text. It travels through the application as the chunk
        would have, and nobody can make one up.
        """
        text = _MARK.format(token=secrets.token_hex(16))
        with self._lock:
            self._marks[text] = (chunk, decision)
            while len(self._marks) > MARKS:
                self._marks.popitem(last=False)
        return text

    def marked(self, text: str) -> list[tuple[int, int, Chunk, Decision]]:
        """The marks in ``text``: start, end, and what each stands for."""
        start, found = text.find(_MARK[:18]), []
        while start >= 0:
            end = text.find("]", start) + 1
            with self._lock:
                entry = self._marks.get(text[start:end])
            if entry is not None:
                found.append((start, end, *entry))
            start = text.find(_MARK[:18], start + 1)
        return found

    def _take_in_completions(self) -> None:
        new = [(name, text) for name, text in self._said.items() if text is not None]
        nowhere = Document("completion"), Source("completion")
        self._derived.add(*(Chunk(n, *nowhere, text, n, Label(""), "said") for n, text in new))
        self._said.update((name, None) for name, _ in new)


def _documents(chunks: Mapping[str, Chunk]) -> dict[str, str]:
    return {name: chunk.document.id for name, chunk in chunks.items()}


def _outside_turns(found: Iterable[Attribution], messages: Sequence[Message]) -> list[Attribution]:
    """Without what stands in the assistant's own messages: there it is history."""
    return [
        replace(one, spans=tuple(s for s in one.spans if messages[s.message].role != "assistant"))
        for one in found
    ]
