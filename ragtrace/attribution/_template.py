"""Template: what stands in an application's prompts whatever is asked and retrieved."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Final

from ragtrace.attribution._cover import Cover
from ragtrace.model import Attribution, Chunk, Message

__all__ = ["TEMPLATE", "Templates"]

TEMPLATE: Final = "template"
"""Stands in the group of a chunk that is explained by the application's own words."""

LEARNED: Final = 8
"""Requests that a text must have stood in before it is taken for template: fewer, and eight
customers who ask the same on one morning would make one of what was retrieved for them."""

SHARED: Final = 3
"""Documents that must have a text before a template can explain it away. A footer has many; what
only one or two documents say was put into the template from there, and is a leak."""

KEY: Final = 24
"""Characters by which a message knows its template: "You are the assistant of" and a bit."""

TEMPLATES: Final = 256
"""Beginnings and ends remembered each, the least recently met forgotten first."""

LONGEST: Final = 1 << 16
"""Characters of a template that are remembered; the rest of it counts as unknown."""


@dataclass(slots=True)
class _Edge:
    """What messages that begin, or end, alike have in common.

    Attributes:
        text: The longest beginning, or end, of all of them.
        turns: Requests they came in, the first LEARNED.
    """

    text: str
    turns: set[str] = field(default_factory=set)

    def meet(self, text: str, turn: str, agreeing: _Agreeing) -> None:
        if len(self.turns) < LEARNED:
            self.turns.add(turn)
        if (size := agreeing(self.text, text)) < len(self.text):
            whole = len(self.text)
            self.text = self.text[:size] if agreeing is _head else self.text[whole - size :]

    @property
    def learned(self) -> str:
        return self.text if len(self.turns) >= LEARNED else ""


class Templates:
    """Learns the beginnings and ends that prompts have in common, from the prompts themselves.

    Only what no document accounts for is learned, of system messages and of the last message:
    those between them are the conversation. A text that is learned only ever shrinks. Not
    thread-safe; the owner holds a lock.
    """

    def __init__(self) -> None:
        self._heads: OrderedDict[tuple[str, str], _Edge] = OrderedDict()
        self._tails: OrderedDict[tuple[str, str], _Edge] = OrderedDict()

    def find(self, messages: Sequence[Message]) -> Cover:
        """The template text in ``messages``."""
        found = Cover()
        for number, message in enumerate(messages):
            text, role = message.text, message.role
            head, tail, size = 0, 0, len(text)
            if (edge := self._heads.get((role, text[:KEY]))) is not None:
                head = _head(edge.learned, text)
            if (edge := self._tails.get((role, text[-KEY:]))) is not None:
                tail = _tail(edge.learned, text)
            if head:
                found.add(number, 0, head)
            if tail and head < size:
                found.add(number, max(head, size - tail), size)
        return found

    def learn(
        self,
        turn: str,
        messages: Sequence[Message],
        found: Sequence[Attribution],
        chunks: Mapping[str, Chunk],
    ) -> None:
        """Take note of a prompt.

        Args:
            turn: The request it is of.
            messages: The prompt.
            found: What of documents is in it.
            chunks: These chunks, by digest.
        """
        held = _held(found, chunks)
        for number, message in enumerate(messages):
            if message.role != "system" and number != len(messages) - 1:
                continue
            head = tail = message.text
            if number in held:
                head, tail = held[number].around(message.text)
            if len(head) >= KEY:
                _note(self._heads, (message.role, head[:KEY]), head[:LONGEST], turn, _head)
            if len(tail) >= KEY:
                _note(self._tails, (message.role, tail[-KEY:]), tail[-LONGEST:], turn, _tail)

    @staticmethod
    def settle(
        static: Cover, found: Sequence[Attribution], chunks: Mapping[str, Chunk]
    ) -> list[Attribution]:
        """``found``, with those explained that are here only as the template says it too.

        Args:
            static: The template text, as ``find`` gives it.
            found: What of documents is in the prompt.
            chunks: These chunks, by digest.
        """
        if not static or all([one.verdict == "certain" for one in found]):
            return list(found)
        held = _held(found, chunks)
        return [
            replace(one, verdict="explained", group=(TEMPLATE,))
            if one.verdict == "ambiguous" and _explains(static, held, one)
            else one
            for one in found
        ]


def _explains(static: Cover, held: Mapping[int, _Held], one: Attribution) -> bool:
    return all(
        static.holds(span.message, span.start, span.end)
        and held[span.message].widely_shared(span.start, span.end)
        for span in one.spans
    )


_Agreeing = Callable[[str, str], int]


def _head(one: str, other: str) -> int:
    """Characters that both begin with."""
    if other.startswith(one):
        return len(one)
    most = range(1, min(len(one), len(other)) + 1)
    return bisect_left(most, True, key=lambda size: not other.startswith(one[:size]))


def _tail(one: str, other: str) -> int:
    """Characters that both end with."""
    if other.endswith(one):
        return len(one)
    whole = len(one)
    most = range(1, min(whole, len(other)) + 1)
    return bisect_left(most, True, key=lambda size: not other.endswith(one[whole - size :]))


def _note(
    edges: OrderedDict[tuple[str, str], _Edge],
    key: tuple[str, str],
    text: str,
    turn: str,
    agreeing: _Agreeing,
) -> None:
    edge = edges.get(key)
    if edge is None:
        edge = edges[key] = _Edge(text)
        if len(edges) > TEMPLATES:
            edges.popitem(last=False)
    edges.move_to_end(key)
    edge.meet(text, turn, agreeing)


class _Held(dict[tuple[int, int], set[str]]):
    """What documents hold of one message: of each stretch, which have it."""

    __slots__ = ()

    def around(self, text: str) -> tuple[str, str]:
        """Of the message what stands before the first stretch that only a few documents have, and
        what stands behind the last; all of it twice where there is none.
        """
        first = next((s for s, e in sorted(self) if not self.widely_shared(s, e)), None)
        if first is None:
            return text, text
        ordered = sorted(self, key=itemgetter(1), reverse=True)
        return text[:first], text[next(e for s, e in ordered if not self.widely_shared(s, e)) :]

    def widely_shared(self, start: int, end: int) -> bool:
        """Whether SHARED documents have all of it."""
        having = self.get((start, end), set())
        if len(having) >= SHARED:  # as of a footer, which all have just so
            return True
        for (first, last), others in self.items():
            if first <= start and end <= last:
                having = having | others
                if len(having) >= SHARED:
                    return True
        return False


def _held(found: Sequence[Attribution], chunks: Mapping[str, Chunk]) -> dict[int, _Held]:
    """What documents hold of each message of which they hold anything.

    Args:
        found: What of documents is in the prompt.
        chunks: These chunks, by digest.
    """
    held: dict[int, _Held] = {}
    for one in found:
        document = chunks[one.chunk].document.id
        for message, start, end, *_ in one.spans:
            mine = held.get(message)
            if mine is None:
                mine = held[message] = _Held()
            having = mine.get((start, end))
            if having is None:
                mine[start, end] = {document}
            else:
                having.add(document)
    return held
