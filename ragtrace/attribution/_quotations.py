"""Quotations: passages that stand in messages word for word, told without reading them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Final

from ragtrace.attribution._common import Row
from ragtrace.attribution._kgrams import KEPT, SURELY_FOUND, Hashes
from ragtrace.attribution._matcher import Index
from ragtrace.attribution._quoted import Quotable, attributions, locate, quotable, surroundings
from ragtrace.attribution._reading import read
from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution._unread import MOST_UNREAD, Unread
from ragtrace.attribution._views import plain
from ragtrace.model import Attribution, Message

__all__ = ["Quotations"]

EXPECTED: Final = 64
"""Passages looked for as they stand, those that came last: an agent may have hundreds."""

NOBODY: Final = [""]
"""Digest of a text that is no chunk of the index, also where one has the same words."""


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
        self._quotable: dict[str, Quotable] = {}
        self._texts: set[str] = set()  # of these
        self._new: dict[str, str] = {}
        self._new_others: dict[str, str] = {}
        self._added = 0
        # The text that was last found to be strange, the passages there were, and its seeds.
        self._strange: tuple[str, int, Hashes | None] = "", 0, None
        self._unread = Unread()

    def add(self, digest: str, text: str) -> None:
        """Note a passage that is new in its index."""
        self._new[digest] = text
        self._added += 1

    def add_other(self, digest: str, text: str) -> None:
        """Note another text that is new in the other index."""
        if not self._unread.holds({digest}) and self._strange[:2] != (digest, self._added):
            self._new_others[digest] = text

    def look_out(self, digest: str) -> None:
        """Look out for a text that will be one of the others, if it is the last strange one.

        From here to ``read_all`` it need not be in their index; no passage may be added before.
        """
        strange, added, seeds = self._strange
        if strange == digest and added == self._added and seeds is not None:
            self._unread.add(digest, seeds)

    def looks_out(self, digests: Set[str]) -> bool:
        """Whether each of these is looked out for, and they are few."""
        return len(digests) <= MOST_UNREAD and self._unread.holds(digests)

    def read_all(self) -> None:
        """Note that every text is in its index."""
        self._unread.clear()

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
        known = self._quotable
        wanted = [known[name] for name in expected if name in known][-EXPECTED:]
        placed = locate(messages, wanted) if wanted else None
        if not placed:
            return None
        seeds = surroundings(messages, placed)
        if seeds is None or self._may_hold(seeds):
            return None
        if (self._passages.has_tiny or self._others.has_tiny) and self._holds_tiny(
            read(messages).symbols
        ):
            return None
        return attributions(placed, self._passages.numbers)

    def _may_hold(self, seeds: Hashes) -> bool:
        return (
            self._passages.may_hold(seeds)
            or self._others.may_hold(seeds)
            or self._unread.may_hold(seeds)
        )

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
        if self._passages.may_hold(row.hashes):
            return False
        seeds = row.hashes[::KEPT] if len(symbols) >= SURELY_FOUND else None
        self._strange = digest, self._added, seeds
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
            known = None if place in tied else quotable(name, bones[place])
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
