"""Quoted: where passages stand in messages as they are, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from ragtrace.attribution._escapes import OPEN_ESCAPE, TRIGGERS
from ragtrace.attribution._evidence import GRAM
from ragtrace.attribution._kgrams import Hashes, K, seeds_of
from ragtrace.attribution._skeleton import Skeleton
from ragtrace.attribution._views import plain, views
from ragtrace.model import Attribution, Message, Span

__all__ = ["Quotable", "Quotation", "attributions", "locate", "quotable", "surroundings"]

MIN_QUOTED: Final = 64
"""Symbols of a passage that is told so: a run might go across a shorter one from side to side."""

AROUND: Final = K - 1
"""Symbols of a quoted passage that are read with what stands beside it: every seed that is not all
within the passage is within these."""

LONGEST_ESCAPE: Final = 48
"""Characters that an escape may have: a tag with all it may hold."""

OPENING: Final = 40
"""Characters by which a passage is looked for first: few places of a prompt begin as it does."""

_TRIGGER: Final = re.compile(f"[{re.escape(TRIGGERS)}]")
_OPEN: Final = re.compile(rf"(?:{OPEN_ESCAPE})\Z")
_ENCODED_EDGE: Final = re.compile(
    rf"\A[A-Za-z0-9+/_\r\n-]{{{AROUND},}}|[A-Za-z0-9+/_\r\n-]{{{AROUND},}}\Z"
)

_NOTHING: Final = "\x00" * AROUND
"""Symbols that add nothing to a K-gram."""

_span: Final = partial(tuple.__new__, Span)
"""A span of its values, made without a call of Python code."""


class Quotable(NamedTuple):
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
        into: What the first ones add to each K-gram that begins before the passage.
        out: What the last ones add to each that ends behind it.
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
    into: Hashes
    out: Hashes


Quotation = tuple[int, int, int, Quotable]
"""Where a passage stands: number of the message, start, end, and the passage."""


def quotable(digest: str, bones: Skeleton) -> Quotable | None:
    """The passage as it may be quoted; ``None`` if it is too short, or is read in several ways."""
    if len(bones.symbols) < MIN_QUOTED or len(views(bones.text)) > 1:
        return None
    offsets = bones.offsets()
    start, end = int(offsets[0]), int(offsets[-1]) + 1
    text = bones.text[start:end]
    if _TRIGGER.search(text, max(0, len(text) - LONGEST_ESCAPE)) or _ENCODED_EDGE.search(text):
        return None
    return Quotable(
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
        seeds_of([_NOTHING + bones.symbols[:AROUND]]),
        seeds_of([bones.symbols[-AROUND:] + _NOTHING]),
    )


def locate(messages: Sequence[Message], wanted: Sequence[Quotable]) -> list[Quotation]:
    """Where the passages stand, of each the first place; in order."""
    placed: list[Quotation] = []
    for number, message in enumerate(messages):
        text, reached = message.text, 0
        left: list[Quotable] = []
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


def surroundings(messages: Sequence[Message], placed: Sequence[Quotation]) -> Hashes | None:
    """The K-grams of what stands around the passages, and of theirs that go over an edge.

    ``None`` where that cannot be told apart: a passage in another, or an escape that may go on in
    one.
    """
    texts: list[str] = []
    out: list[Hashes] = []  # of passages with no symbol between them and the next
    into: list[Hashes] = []
    joints: dict[str, str | None] = {}  # mostly the same stands between any two
    waiting = list(reversed(placed))
    for number, message in enumerate(messages):
        text, reached = message.text, 0
        before: Quotable | None = None
        going = True
        while going:
            start = end = len(text)
            after: Quotable | None = None
            if waiting and waiting[-1][0] == number:
                _, start, end, after = waiting.pop()
                if start < reached:
                    return None
            between = text[reached:start]
            if between not in joints:
                joints[between] = plain(between)
            joint = joints[between]
            if joint == "" and before is not None and after is not None:
                out.append(before.out)
                into.append(after.into)
            elif joint is not None:
                last, first = before.last if before else "", after.first if after else ""
                texts.append(f"{last}{joint}{first}")
            elif not _read(texts, text, (reached, start), before, after):
                return None
            reached, before, going = end, after, after is not None
    if not out:
        return seeds_of(texts)
    # A K-gram is a sum over its symbols: of those of the one passage, and of those of the next.
    return np.concatenate([seeds_of(texts), np.concatenate(out) + np.concatenate(into)])


def _read(
    symbols: list[str],
    text: str,
    between: tuple[int, int],
    before: Quotable | None,
    after: Quotable | None,
) -> bool:
    """Add to ``symbols`` what stands between two passages and may be read in several ways; whether
    it can be told apart of them.
    """
    start, end = between
    if after is not None and _OPEN.search(text[start:end]) is not None:
        return False
    start, end = start - (before.tail if before else 0), end + (after.head if after else 0)
    some = views(text[start:end])
    if any(len(view.splices) > 1 or _TRIGGER.search(view.bones.text) for view in some[1:]):
        return False  # a layer that could go on in a passage
    symbols += [view.symbols for view in some]
    return True


def attributions(placed: Iterable[Quotation], numbers: Mapping[str, int]) -> list[Attribution]:
    """What an index would say of these passages, in the order of their ``numbers`` there."""
    found = {
        numbers[passage.digest]: Attribution(
            passage.digest,
            "certain",
            (
                _span(
                    (
                        *(message, start, end, passage.start, passage.start + end - start),
                        *(passage.symbols, True, passage.symbols - GRAM + 1),
                    )
                ),
            ),
            (),
            True,
        )
        for message, start, end, passage in placed
    }
    return [found[number] for number in sorted(found)]
