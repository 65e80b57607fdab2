"""Quotations: passages that stand in messages word for word, told without reading them again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from ragtrace.attribution._common import Row
from ragtrace.attribution._escapes import OPEN_ESCAPE, TRIGGERS
from ragtrace.attribution._evidence import GRAM
from ragtrace.attribution._kgrams import K
from ragtrace.attribution._matcher import Index
from ragtrace.attribution._reading import read
from ragtrace.attribution._skeleton import Skeleton, skeleton
from ragtrace.attribution._views import plain, views
from ragtrace.model import Attribution, Message, Span

__all__ = ["Quotations"]

MIN_QUOTED: Final = 64
"""Symbols of a passage that is told so: a run might go across a shorter one from side to side."""

AROUND: Final = K - 1
"""Symbols of a quoted passage that are read with what stands beside it: every seed that is not all
within the passage is within these."""

LONGEST_ESCAPE: Final = 48
"""Characters that an escape may have: a tag with all it may hold."""

EXPECTED: Final = 64
"""Passages looked for as they stand, those that came last: an agent may have hundreds."""

OPENING: Final = 40
"""Characters by which a passage is looked for first: few places of a prompt begin as it does."""

NOBODY: Final = [""]
"""Digest of a text that is no chunk of the index, also where one has the same words."""

_TRIGGER: Final = re.compile(f"[{re.escape(TRIGGERS)}]")
_OPEN: Final = re.compile(rf"(?:{OPEN_ESCAPE})\Z")
_ENCODED_EDGE: Final = re.compile(
    rf"\A[A-Za-z0-9+/_\r\n-]{{{AROUND},}}|[A-Za-z0-9+/_\r\n-]{{{AROUND},}}\Z"
)


class _Quotable(NamedTuple):
    """A passage that has nothing in common with any other that is known, nor with itself.

    Attributes:
        whole: All of it.
        text: From its first symbol to its last.
        opening: The first OPENING characters of it.
        start: Where that begins in the passage.
        symbols: How many there are.
        first: The first AROUND of them.
        last: The last AROUND of them.
        head: Characters of ``text`` that hold the first ones.
        tail: Characters of it that hold the last ones.
    """

    digest: str
    whole: str
    text: str
    opening: str
    start: int
    symbols: int
    first: str
    last: str
    head: int
    tail: int


_Quotation = tuple[int, int, int, _Quotable]
"""Where a passage stands: number of the message, start, end, and the passage."""


class Quotations:
    """Tells what is in messages that are made of known passages and a few words around them.

    It says just what the indices would, or nothing. What a passage has in common with others is
    found out once, when either comes; from there on only what stands around it has to be read.
    Where that has a seed of anything that is known, nothing is said. Not thread-safe; the owner
    holds a lock.

    Args:
        passages: Those that may be quoted.
        others: What else is looked for in the same messages.
    """

    def __init__(self, passages: Index, others: Index) -> None:
        self._passages, self._others = passages, others
        self._quotable: dict[str, _Quotable] = {}
        self._texts: set[str] = set()  # of these
        self._new: dict[str, str] = {}
        self._new_others: dict[str, str] = {}
        self._added = 0
        self._strange = "", 0  # the text that was last found to be, and the passages there were

    def add(self, digest: str, text: str) -> None:
        """Note a passage that is new in its index."""
        self._new[digest] = text
        self._added += 1

    def add_other(self, digest: str, text: str) -> None:
        """Note another text that is new in the other index."""
        if self._strange != (digest, self._added):
            self._new_others[digest] = text

    def remove(self, digest: str) -> None:
        """Note that a passage was removed."""
        self._new.pop(digest, None)
        self._forget({digest})

    def find(
        self, messages: Sequence[Message], expected: Iterable[str]
    ) -> list[Attribution] | None:
        """Every passage found in ``messages``, where none of the others is.

        ``None`` says nothing: the indices have to be asked.

        Args:
            messages: To look through.
            expected: Digests of passages that are likely there, each once; quickest in their order.
        """
        self._settle()
        wanted = [self._quotable[name] for name in expected if name in self._quotable][-EXPECTED:]
        placed = _placed(messages, wanted) if wanted else None
        if not placed:
            return None
        around = _around(messages, placed)
        if around is None:
            return None
        row = Row(around)
        if self._passages.holds_seed(row) or self._others.holds_seed(row):
            return None
        if (self._passages.has_tiny or self._others.has_tiny) and self._holds_tiny(
            read(messages).symbols
        ):
            return None
        numbers = self._passages.numbers
        placed.sort(key=lambda one: numbers[one[3].digest])
        return [_attribution(*one) for one in placed]

    def are_strange(self, texts: Iterable[str]) -> bool:
        """Whether each of these is a passage that has nothing in common with the others.

        One of them that is shorter than SURELY_FOUND symbols may be in it: that is too little to
        act on.
        """
        self._settle()
        return self._texts.issuperset(texts)

    def is_strange(self, digest: str, text: str) -> bool:
        """Whether no passage is in ``text``, which may become one of the others.

        ``False`` says nothing: the index has to be asked.
        """
        symbols = plain(text)
        if symbols is None or self._passages.holds_tiny(symbols):
            return False
        self._settle()
        row = Row([symbols])
        if self._passages.holds_seed(row):
            return False
        self._strange = digest, self._added
        return True

    def _settle(self) -> None:
        """Find out which of what has come lately has something in common with anything.

        Where that fails, it is still to be found out: what is not known to be strange is read.
        """
        if others := self._new_others:
            row = Row([skeleton(text).symbols for text in others.values()])
            self._forget(self._passages.in_common(NOBODY * len(others), row)[1])
            self._new_others = {}
        new = self._new
        if not new:
            return
        names, bones = list(new), [skeleton(text) for text in new.values()]
        row = Row([one.symbols for one in bones])
        tied, passages = self._passages.in_common(names, row)
        tied |= self._others.in_common(NOBODY * len(names), row)[0]
        self._forget(passages)
        for place, name in enumerate(names):
            known = None if place in tied else _quotable(name, bones[place])
            if known is not None and not self._holds_tiny(bones[place].symbols):
                self._quotable[name] = known
                self._texts.add(known.whole)
        self._new = {}

    def _forget(self, digests: Iterable[str]) -> None:
        for digest in digests:
            if (known := self._quotable.pop(digest, None)) is not None:
                self._texts.discard(known.whole)

    def _holds_tiny(self, symbols: str) -> bool:
        return self._passages.holds_tiny(symbols) or self._others.holds_tiny(symbols)


def _quotable(digest: str, bones: Skeleton) -> _Quotable | None:
    """The passage as it may be quoted; ``None`` if it is too short, or is read in several ways."""
    if len(bones.symbols) < MIN_QUOTED or len(views(bones.text)) > 1:
        return None
    offsets = bones.offsets()
    start, end = int(offsets[0]), int(offsets[-1]) + 1
    text = bones.text[start:end]
    if _TRIGGER.search(text, max(0, len(text) - LONGEST_ESCAPE)) or _ENCODED_EDGE.search(text):
        return None
    return _Quotable(
        digest,
        bones.text,
        text,
        text[:OPENING],
        start,
        len(bones.symbols),
        bones.symbols[:AROUND],
        bones.symbols[-AROUND:],
        int(offsets[AROUND - 1]) + 1 - start,
        end - int(offsets[-AROUND]),
    )


def _placed(messages: Sequence[Message], wanted: Sequence[_Quotable]) -> list[_Quotation]:
    """Where the passages stand, of each the first place; in order."""
    placed: list[_Quotation] = []
    for number, message in enumerate(messages):
        text, reached = message.text, 0
        left: list[_Quotable] = []
        for passage in wanted:
            start = text.find(passage.opening, reached)  # the first characters are found sooner
            if start >= 0 and not text.startswith(passage.text, start):
                start = text.find(passage.text, start)
            if start < 0 and reached:
                start = text.find(passage.text, 0, reached)
            if start < 0:
                left.append(passage)
            else:
                reached = start + len(passage.text)
                placed.append((number, start, reached, passage))
        wanted = left
    placed.sort(key=itemgetter(0, 1))
    return placed


def _around(messages: Sequence[Message], placed: Sequence[_Quotation]) -> list[str] | None:
    """The symbols of what stands around the passages, with AROUND of theirs on either side.

    ``None`` where that cannot be told apart: a passage in another, or an escape that may go on in
    one.
    """
    around: list[str] = []
    waiting = list(reversed(placed))
    for number, message in enumerate(messages):
        text, reached = message.text, 0
        before: _Quotable | None = None
        while waiting and waiting[-1][0] == number:
            _, start, end, passage = waiting.pop()
            if start < reached or not _read(around, text, reached, start, before, passage):
                return None
            reached, before = end, passage
        if not _read(around, text, reached, len(text), before, None):
            return None
    return around


def _read(
    around: list[str],
    text: str,
    start: int,
    end: int,
    before: _Quotable | None,
    after: _Quotable | None,
) -> bool:
    """Add to ``around`` what stands between two passages; whether it can be told apart of them."""
    between = text[start:end]
    if (symbols := plain(between)) is not None:
        last, first = "" if before is None else before.last, "" if after is None else after.first
        around.append(f"{last}{symbols}{first}")
        return True
    if _OPEN.search(between) is not None and after is not None:
        return False
    start, end = start - (before.tail if before else 0), end + (after.head if after else 0)
    some = views(text[start:end])
    if any(len(view.splices) > 1 or _TRIGGER.search(view.bones.text) for view in some[1:]):
        return False  # a layer that could go on in a passage
    around += [view.symbols for view in some]
    return True


def _attribution(message: int, start: int, end: int, passage: _Quotable) -> Attribution:
    size, begin = passage.symbols, passage.start
    unique = size - GRAM + 1
    span = Span(message, start, end, begin, begin + end - start, size, True, unique)
    return Attribution(passage.digest, "certain", (span,), (), True)
