"""Template: what stands in an application's prompts whatever is asked and retrieved."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ragtrace.attribution._cover import Cover
from ragtrace.model import Attribution, Message

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
    """What messages that begin alike have in common.

    Attributes:
        text: The longest beginning of all of them.
        turns: Requests they came in, the first LEARNED.
    """

    text: str
    turns: set[str] = field(default_factory=set)

    def meet(self, text: str, turn: str) -> None:
        self.text = self.text[: _agreeing(self.text, text)]
        if len(self.turns) < LEARNED:
            self.turns.add(turn)

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
            head = _common(self._heads.get((role, text[:KEY])), text)
            tail = _common(self._tails.get((role, text[: -KEY - 1 : -1])), text[::-1])
            found.add(number, 0, head)
            found.add(number, max(head, len(text) - tail), len(text))
        return found

    def learn(
        self,
        turn: str,
        messages: Sequence[Message],
        found: Sequence[Attribution],
        documents: Mapping[str, str],
    ) -> None:
        """Take note of a prompt.

        Args:
            turn: The request it is of.
            messages: The prompt.
            found: What of documents is in it.
            documents: The document of each chunk that was found.
        """
        for number, message in enumerate(messages):
            if message.role != "system" and number != len(messages) - 1:
                continue
            held = _Held(number, found, documents)
            head = message.text[: held.first(len(message.text))]
            tail = message.text[held.last() :]
            _note(self._heads, turn, message.role, head[:LONGEST])
            _note(self._tails, turn, message.role, tail[-LONGEST:][::-1])

    @staticmethod
    def settle(
        static: Cover, found: Sequence[Attribution], documents: Mapping[str, str]
    ) -> list[Attribution]:
        """``found``, with those explained that are here only as the template says it too.

        Args:
            static: The template text, as ``find`` gives it.
            found: What of documents is in the prompt.
            documents: The document of each chunk that was found.
        """
        if not len(static):
            return list(found)
        held = _Messages(found, documents)
        return [
            replace(one, verdict="explained", group=(TEMPLATE,))
            if one.verdict == "ambiguous" and _explains(static, held, one)
            else one
            for one in found
        ]


def _explains(static: Cover, held: _Messages, one: Attribution) -> bool:
    return all(
        static.holds(span.message, span.start, span.end)
        and held[span.message].widely_shared(span.start, span.end)
        for span in one.spans
    )


def _common(edge: _Edge | None, text: str) -> int:
    """Characters of ``text`` that are template."""
    if edge is None or not edge.learned:
        return 0
    return _agreeing(edge.learned, text)


def _agreeing(one: str, other: str) -> int:
    """Characters that both begin with."""
    most = range(1, min(len(one), len(other)) + 1)
    return bisect_left(most, True, key=lambda size: not other.startswith(one[:size]))


def _note(edges: OrderedDict[tuple[str, str], _Edge], turn: str, role: str, text: str) -> None:
    if len(text) < KEY:
        return
    key = (role, text[:KEY])
    edge = edges.get(key)
    if edge is None:
        edge = edges[key] = _Edge(text)
        if len(edges) > TEMPLATES:
            edges.popitem(last=False)
    edges.move_to_end(key)
    edge.meet(text, turn)


class _Held:
    """What documents hold of one message.

    Args:
        number: Of the message.
        found: What of documents is in the prompt.
        documents: The document of each chunk that was found.
    """

    def __init__(
        self, number: int, found: Sequence[Attribution], documents: Mapping[str, str]
    ) -> None:
        self._documents: dict[tuple[int, int], set[str]] = {}
        for one in found:
            for span in one.spans:
                if span.message == number:
                    stretch = self._documents.setdefault((span.start, span.end), set())
                    stretch.add(documents[one.chunk])

    def first(self, otherwise: int) -> int:
        """Where the first stretch begins that only a few documents have."""
        ordered = sorted(self._documents)
        return next((s for s, e in ordered if not self.widely_shared(s, e)), otherwise)

    def last(self) -> int:
        """Where the last of them ends; 0 where there is none."""
        ordered = sorted(self._documents, key=lambda one: -one[1])
        return next((e for s, e in ordered if not self.widely_shared(s, e)), 0)

    def widely_shared(self, start: int, end: int) -> bool:
        """Whether SHARED documents have all of it."""
        having = self._documents.get((start, end), set())
        if len(having) >= SHARED:  # as of a footer, which all have just so
            return True
        for (first, last), others in self._documents.items():
            if first <= start and end <= last:
                having = having | others
                if len(having) >= SHARED:
                    return True
        return False


class _Messages(dict[int, _Held]):
    """What documents hold of each message, looked up where it is asked for."""

    def __init__(self, found: Sequence[Attribution], documents: Mapping[str, str]) -> None:
        self._given = found, documents

    def __missing__(self, number: int) -> _Held:
        held = self[number] = _Held(number, *self._given)
        return held
