"""Ledger: the labelled text this process has seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ragtrace.attribution import Cover, Index, Quotations, Reading, Templates, read
from ragtrace.capture._derived import Completions, Derived
from ragtrace.capture._entry import Entry, Told
from ragtrace.capture._lock import Lock
from ragtrace.capture._marks import Marks
from ragtrace.capture._recipient import Recipient
from ragtrace.capture._shared import Shared
from ragtrace.labels import Lattice
from ragtrace.model import Attribution, Chunk, Message, digest

__all__ = ["Ledger", "Seen", "outside_turns"]

CHUNKS: Final = 2048
"""Chunks remembered per process, the least recently retrieved forgotten first. One of 1 KB
takes about 25 KB with its seeds, so about 50 MB in all."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What of the remembered text is in some messages.

    Attributes:
        found: Of chunks.
        chunks: These, by digest.
        derived: Of earlier completions.
        made: These, by digest.
        template: What stands in this application's prompts whatever is asked.
        reading: The messages as they were read; ``None`` where that was not needed.
    """

    found: Sequence[Attribution]
    chunks: dict[str, Chunk]
    derived: Sequence[Attribution]
    made: dict[str, Derived]
    template: Cover
    reading: Reading | None


class Ledger:
    """What labelled text has been retrieved or made, so that it is known again anywhere.

    Text is found by content, not by the path it took: through a thread, a cache, a tool
    message or a conversation's history. Safe to use from several threads.

    Each process has its own. Where it is shared, they tell each other what is put in, and look for
    news before they look for text: whatever another has put in by then is found.

    Attributes:
        marks: What stands in for chunks that were blocked.
        shared: What tells the other processes; ``None`` where there are none.
        lattice: Orders the labels of what they tell; of the policy that is in force here.
    """

    def __init__(self) -> None:
        self.marks: Final = Marks()
        self.shared: Shared | None = None
        self.lattice = Lattice(("",))  # every level is strictest until a policy says which is
        self._lock = Lock()
        self._index = Index()
        self._chunks: OrderedDict[str, Chunk] = OrderedDict()
        self._completions = Completions()
        self._quotations = Quotations(self._index, self._completions.index)
        self._templates = Templates()

    def put_off(self, act: Callable[[], None]) -> bool:
        """Have ``act`` done as soon as this very thread is through with the ledger; whether it is
        in the midst of something there, which nothing of its own may interrupt.
        """
        for lock in (self._lock, *([self.shared.lock] if self.shared is not None else [])):
            if lock.mine:
                lock.afterwards(act)
                return True
        return False

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Remember ``chunks``; of two with the same text, the later one counts."""
        chunks = list(chunks)
        with self._lock:
            self._add(chunks)
        self._publish(*chunks)

    def said(self, made: Derived, lattice: Lattice) -> Derived:
        """Remember a completion; gives what is now known of its text.

        It is made findable when it is next looked for, not now.
        """
        with self._lock:
            known = self._completions.add(made, lattice)
            self._quotations.look_out(made.chunk.digest)
        self._publish(made)
        return known

    def completion(self, digest: str) -> Derived | None:
        """The completion of this digest.

        Raises:
            LedgerUnreachableError: The other processes cannot be asked.
        """
        self.look()
        with self._lock:
            return self._completions.get(digest)

    def told(self, digest: str, recipient: Recipient) -> None:
        """Note that ``recipient`` has been told the completion of this digest."""
        if self.put_off(lambda: self.told(digest, recipient)):
            return
        with self._lock:
            known = self._completions.tell(digest, recipient)
        if known is not None:
            self._publish(Told(digest, recipient))

    def look(self) -> None:
        """Take in what the other processes have told since the last time.

        Raises:
            LedgerUnreachableError: They cannot be asked.
        """
        if self.shared is not None:
            self.shared.look(self._take)

    def attribute(self, messages: Sequence[Message], expected: Iterable[str] = ()) -> Seen:
        """What of the remembered text is in ``messages``.

        Args:
            messages: To look through.
            expected: Digests of chunks that are likely there. What is found does not depend on it.

        Raises:
            LedgerUnreachableError: The other processes cannot be asked.
        """
        self.look()
        with self._lock:
            self._settle()
            found = self._quotations.find(messages, expected)
            if found is not None:
                return self._seen(messages, found, (), None)
        reading = read(messages)
        with self._lock:
            self._read_all()
            found = self._index.attribute(reading)
            return self._seen(messages, found, self._completions.attribute(reading), reading)

    def _seen(
        self,
        messages: Sequence[Message],
        found: Sequence[Attribution],
        derived: Sequence[Attribution],
        reading: Reading | None,
    ) -> Seen:
        chunks = {one.chunk: self._chunks[one.chunk] for one in found}
        template = self._templates.find(messages)
        found = self._templates.settle(template, found, chunks)
        # A chunk with the very text of a completion is judged as the chunk it is.
        derived = [one for one in derived if one.chunk not in chunks]
        made = {one.chunk: self._completions[one.chunk] for one in derived}
        return Seen(found, chunks, derived, made, template, reading)

    def documents_in(
        self, text: str, name: str | None = None
    ) -> tuple[Sequence[Attribution], dict[str, Chunk]]:
        """The chunks that stand in one text, which is message 0; and these, by digest.

        The other processes are not asked: this is about what a model has just said, from chunks
        that were found in its prompt.

        Args:
            text: To look through.
            name: Its digest, where that is known.
        """
        name = name or digest(text)
        with self._lock:
            if self._quotations.is_strange(name, text):
                return (), {}
            found = self._index.attribute([Message("assistant", text)])
            return found, {one.chunk: self._chunks[one.chunk] for one in found}

    def completions_in(
        self, texts: Sequence[str]
    ) -> tuple[Sequence[Attribution], dict[str, Derived]]:
        """The earlier completions that stand in some texts; and these, by digest.

        Raises:
            LedgerUnreachableError: The other processes cannot be asked.
        """
        self.look()
        if not len(self._completions):
            return (), {}
        with self._lock:
            self._settle()
            if self._quotations.are_strange(texts):
                return (), {}
        reading = read([Message("tool", text) for text in texts])
        with self._lock:
            self._read_all()
            found = self._completions.attribute(reading)
            return found, {one.chunk: self._completions[one.chunk] for one in found}

    def _settle(self) -> None:
        """See to it that what models have said lately is found, or looked out for."""
        waiting = self._completions.waiting
        if waiting and not self._quotations.looks_out(waiting.keys()):
            self._read_all()

    def _read_all(self) -> None:
        """Make findable what models have said lately, known to whatever is told by it."""
        for name, chunk in self._completions.settle().items():
            self._quotations.add_other(name, chunk.text)
        self._quotations.read_all()

    def learn(self, turn: str, messages: Sequence[Message], seen: Seen) -> None:
        """Take note of a prompt of request ``turn``, for what all prompts have in common."""
        with self._lock:
            self._templates.learn(turn, messages, seen.found, seen.chunks)

    def _add(self, chunks: Sequence[Chunk]) -> None:
        if not all([chunk.digest in self._chunks for chunk in chunks]):
            self._read_all()  # what is new is compared with all that was said
            self._index.add(*chunks)
        for chunk in chunks:
            if chunk.digest not in self._chunks:
                self._quotations.add(chunk.digest, chunk.text)
            self._chunks[chunk.digest] = chunk
            self._chunks.move_to_end(chunk.digest)
        while len(self._chunks) > CHUNKS:
            forgotten, _ = self._chunks.popitem(last=False)
            self._index.remove(forgotten)
            self._quotations.remove(forgotten)

    def _publish(self, *entries: Entry) -> None:
        """Tell the other processes; never under the lock, which every lookup needs."""
        if self.shared is not None and entries:
            self.shared.publish(entries)

    def _take(self, entries: Sequence[Entry]) -> None:
        """Take in what other processes have told."""
        with self._lock:
            self._add([entry for entry in entries if isinstance(entry, Chunk)])
            for entry in entries:
                if isinstance(entry, Derived):
                    self._completions.add(entry, self.lattice)
                elif isinstance(entry, Told):
                    self._completions.tell(entry.digest, entry.recipient)


def outside_turns(found: Sequence[Attribution], messages: Sequence[Message]) -> list[Attribution]:
    """Without what stands in the assistant's own messages: there it is history."""
    return [
        replace(one, spans=tuple(s for s in one.spans if messages[s.message].role != "assistant"))
        for one in found
    ]
