"""Guard: lets a text through but for what it must not say, holding back as little as it can."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from ragtrace.attribution._views import views
from ragtrace.attribution.guard._literal_filter import MOST_LITERALS, LiteralFilter, Secrets
from ragtrace.attribution.guard._literals import literals
from ragtrace.attribution.guard._protected import TRIGGER, protect
from ragtrace.attribution.guard._run_filter import WITHHELD, RunFilter

__all__ = ["TRIGGER", "WITHHELD", "Guard"]


class Guard:
    """Filters one completion, whole or delta by delta, against protected passages.

    Promise: of any run of protected text of TRIGGER symbols or more (or of a whole
    protected passage that is shorter), not one symbol leaves, however the deltas are cut;
    and no literal of a protected passage leaves, in whatever spelling. Everything else
    leaves unchanged and in order. What is held back is the longest suffix that is found in
    the protected text, and never TRIGGER symbols of it; where that is shorter than
    MIN_WHOLE, or the protected text is larger than 20 KB, it may be a little more. A word or
    number that may become a literal is held back until it has ended.

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
        self._literals = LiteralFilter(secrets) if secrets else None
        self.armed = bool(protected or secrets)

    @property
    def withheld(self) -> int:
        """How often WITHHELD was said."""
        return sum(one.withheld for one in (self._runs, self._literals) if one is not None)

    def feed(self, delta: str) -> str:
        """What may leave now, ``delta`` having arrived."""
        # Runs first: a literal taken out of a run would cut it into parts too short to be known.
        if self._runs is not None:
            delta = self._runs.feed(delta)
        if self._literals is not None and delta:
            delta = self._literals.feed(delta)
        return delta

    def close(self) -> str:
        """What was held back and turned out harmless; nothing arrives after it."""
        rest = "" if self._runs is None else self._runs.close()
        return rest if self._literals is None else self._literals.close(rest)

    def filter(self, text: str) -> str:
        """A whole text at once."""
        return self.feed(text) + self.close()

    def decoded(self, text: str) -> str:
        """``text`` without what reads as a protected run once its escapes are undone.

        A whole text can be read over; a stream that is written in escapes is not.
        """
        if self._runs is None:
            return text
        ranges: list[tuple[int, int]] = []
        for view in views(text)[1:]:
            for start, end in self._runs.protected.runs(view.symbols, 0):
                first, last = view.characters(np.array([start]), np.array([end]))
                ranges.append((int(first[0]), int(last[0])))
        out, reached = [], 0
        for begin, stop in sorted(ranges):
            if begin >= reached:
                out += [text[reached:begin], WITHHELD]
                self._runs.withheld += 1
            reached = max(reached, stop)
        return "".join((*out, text[reached:]))


def _secrets(passages: Iterable[str], readable: Iterable[str]) -> Secrets:
    """The literals of ``passages`` that are not readable anyway."""
    found = {one.name: one for passage in passages for one in literals(passage)}
    secrets = Secrets(islice(found.values(), MOST_LITERALS))
    known = {name for text in readable for name in secrets.said(text)} if secrets else set()
    return Secrets(found[name] for name in secrets.names - known) if known else secrets
