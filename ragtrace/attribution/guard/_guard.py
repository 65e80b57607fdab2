"""Guard: lets a text through but for what it must not say, holding back as little as it can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ragtrace.attribution._skeleton import skeleton
from ragtrace.attribution._views import View, views
from ragtrace.attribution.guard._layer import unnumbered
from ragtrace.attribution.guard._literal_filter import MOST_LITERALS, LiteralFilter, Secrets
from ragtrace.attribution.guard._literals import literals
from ragtrace.attribution.guard._protected import TRIGGER, Protected, protect
from ragtrace.attribution.guard._run_filter import WITHHELD, RunFilter

__all__ = ["TRIGGER", "WITHHELD", "Guard"]


class Guard:
    """Filters one completion, whole or delta by delta, against protected passages.

    Promise: of any run of protected text of TRIGGER symbols or more (or of a whole
    protected passage that is shorter), not one symbol leaves, however the deltas are cut,
    as it stands or written in escapes, two layers deep, or with other list numbers; and no
    literal of a protected passage leaves, in whatever spelling. Everything else leaves
    unchanged and in order. What is held back is the longest suffix that is found in
    the protected text, and never TRIGGER symbols of it; where that is shorter than
    MIN_WHOLE, or the protected text is larger than 20 KB, it may be a little more. A word or
    number that may become a literal is held back until it has ended, and so is what may
    become an escape, a tag of up to 40 characters among them.

    Args:
        passages: The protected texts; for runs, those with fewer than MIN_WHOLE symbols are
            left out, because they would be found in any answer.
        readable: Texts that the reader may read anyway: a literal in them is no secret. For
            runs they do not count, since a quotation may go from one into the other.

    Attributes:
        armed: Whether there is anything to protect; an unarmed guard holds nothing back.
    """

    __slots__ = ("_literals", "_runs", "armed")

    def __init__(self, passages: Iterable[str], readable: Iterable[str] = ()) -> None:
        passages = tuple(passages)
        protected = protect(passages)
        secrets = _secrets(passages, readable)
        self._runs = RunFilter(protected) if protected else None
        ways = (False, True) if secrets else ()
        self._literals = [LiteralFilter(secrets, undone=undone) for undone in ways]
        self.armed = bool(protected or secrets)

    @property
    def withheld(self) -> int:
        """How often WITHHELD was said."""
        runs = 0 if self._runs is None else self._runs.withheld
        return runs + sum(one.withheld for one in self._literals)

    @property
    def held(self) -> str:
        """What has arrived and not left, but for what was withheld."""
        runs = "" if self._runs is None else self._runs.held
        return "".join(one.held for one in reversed(self._literals)) + runs

    def feed(self, delta: str) -> str:
        """What may leave now, ``delta`` having arrived."""
        # Runs first: a literal taken out of a run would cut it into parts too short to be known.
        if self._runs is not None:
            delta = self._runs.feed(delta)
        for one in self._literals:
            delta = one.feed(delta) if delta else ""
        return delta

    def close(self) -> str:
        """What was held back and turned out harmless; nothing arrives after it."""
        rest = "" if self._runs is None else self._runs.close()
        for one in self._literals:
            rest = one.close(rest)
        return rest

    def filter(self, text: str) -> str:
        """A whole text at once."""
        return self.feed(text) + self.close()

    def decoded(self, text: str) -> str:
        """``text`` without what reads as a protected run once its layout is undone.

        Beyond what ``feed`` sees through that is base64, a third layer of escapes, and other list
        numbers where the protected text itself holds what looks like an escape.
        """
        if self._runs is None:
            return text
        read = [*views(text)[1:], View(skeleton(unnumbered(text)))]
        ranges = [found for view in read for found in _within(view, self._runs.protected)]
        out, reached = [], 0
        for begin, stop in sorted(ranges):
            if begin >= reached:
                out += [text[reached:begin], WITHHELD]
                self._runs.withheld += 1
            reached = max(reached, stop)
        return "".join((*out, text[reached:]))


def _within(view: View, protected: Protected) -> Iterator[tuple[int, int]]:
    """Where protected runs stand in the text that ``view`` is of."""
    for start, end in protected.runs(view.symbols, 0):
        first, last = view.characters(np.array([start]), np.array([end]))
        yield int(first[0]), int(last[0])


def _secrets(passages: Iterable[str], readable: Iterable[str]) -> Secrets:
    """The literals of ``passages`` that are not readable anyway."""
    found = {one.name: one for passage in passages for one in literals(passage)}
    secrets = Secrets(islice(found.values(), MOST_LITERALS))
    known = {name for text in readable for name in secrets.said(text)} if secrets else set()
    return Secrets(found[name] for name in secrets.names - known) if known else secrets
