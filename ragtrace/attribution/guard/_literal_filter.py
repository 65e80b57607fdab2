"""LiteralFilter: lets a text through but for secret literals, holding back an atom at most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ragtrace.attribution.guard._layer import ESCAPING, undone
from ragtrace.attribution.guard._literals import Literal
from ragtrace.attribution.guard._run_filter import WITHHELD
from ragtrace.attribution.guard._spelling import (
    ATOM,
    GAP,
    SCALES,
    START,
    STARTS,
    Levelled,
    forms,
    head,
    is_open,
    levelled,
    scale_starts,
)

__all__ = ["MOST_LITERALS", "LiteralFilter", "Secrets"]

MOST_LITERALS: Final = 4096
"""Literals guarded at once, the first that are found: 140 KB of documents have about 120. So many
take 17 ms and 2 MB; what has more is a table, and whoever copies from it says a run."""

_CONTEXT: Final = 2
"""Characters before an atom that decide whether it begins a number: a digit and a mark."""


class _Hit(NamedTuple):
    """A secret that was said, by the name of its literal, and where it ends."""

    end: int
    name: str


class Secrets:
    """Literals, kept so that a text can be read through for them."""

    __slots__ = ("_keys", "_prefixes", "_stops")

    def __init__(self, found: Iterable[Literal]) -> None:
        self._keys: dict[str, str] = {}
        self._stops: set[str] = set()
        for literal in found:
            self._stops.update(literal.stops())
            self._keys.update(dict.fromkeys(literal.keys, literal.name))
        self._prefixes = {key[:size] for key in self._keys for size in range(1, len(key) + 1)}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._keys)

    @property
    def names(self) -> set[str]:
        """The names of the literals."""
        return set(self._keys.values())

    def said(self, text: str) -> set[str]:
        """The names of all that stand anywhere in ``text``, also one within another."""
        seen = levelled(text)
        return {
            hit.name
            for start in START.finditer(seen)
            if self.may_begin(start[0])
            for hit in self.read(seen, start.start(), final=True)[0]
        }

    def may_begin(self, atom: str) -> bool:
        """Whether a secret may begin with ``atom``, whole or not; the quick answer is mostly no."""
        return atom in self._prefixes or atom in STARTS or atom[0].isdigit() or "_" in atom

    def read(self, seen: str, place: int, *, final: bool) -> tuple[list[_Hit], bool]:
        """The secrets that begin at ``place``, shortest first; and whether it takes more to tell.

        Args:
            seen: A levelled text.
            place: Where in it an atom begins.
            final: No more text will come, so that it never takes more.
        """
        hits: list[_Hit] = []
        chains = [""]  # what the atoms so far can mean; dead ones are left out
        counted = 0  # where the last atom ends, if it is a number and ends a hit
        while atom := ATOM.match(seen, place):
            word, end = atom[0], atom.end()
            if not final and is_open(seen, word, end):
                return hits, self._may_go_on(chains, word) or (counted > 0 and scale_starts(word))
            if counted and len(word) > 1 and word in SCALES:
                hits = [hit for hit in hits if hit.end < counted]  # $50 million are not $50
            grown = [chain + form for chain in chains for form in forms(word)]
            ended = [] if _glued(seen, word, end, chains) else [c for c in grown if c in self._keys]
            hits += [_Hit(end, self._keys[chain]) for chain in ended]
            counted = end if ended and word[0].isdigit() else 0
            chains = [chain for chain in grown if chain in self._stops]
            if not chains and not counted:
                break
            gap = GAP.match(seen, end)
            place = gap.end() if gap else end
            if place == len(seen) and not final:
                return hits, True
        return hits, False

    def _may_go_on(self, chains: list[str], word: str) -> bool:
        return any(chain + form in self._prefixes for chain in chains for form in head(word))


def _glued(seen: str, word: str, end: int, chains: list[str]) -> bool:
    """Whether an atom goes on into the next, or is the sign of the next amount."""
    after = seen[end : end + 1]
    return after.isalnum() if word[-1].isalnum() else after.isdigit() and chains != [""]


class LiteralFilter:
    """Filters one text, delta by delta.

    Args:
        secrets: What may not be said.
        undone: The text is read without its escapes, not as it stands. What comes has been
            filtered as it stands, so that nothing is held back where there is no escape, nor right
            before.

    Attributes:
        held: Characters not yet released.
        withheld: How often WITHHELD was said.
    """

    __slots__ = ("_before", "_secrets", "_standing", "_undone", "held", "withheld")

    def __init__(self, secrets: Secrets, *, undone: bool = False) -> None:
        self._secrets = secrets
        self._undone = undone
        self._before = ""  # the last levelled characters that were released
        self._standing = ""  # the same as they stand: they differ right behind an escape
        self.held = ""
        self.withheld = 0

    def feed(self, delta: str) -> str:
        """What may leave now, ``delta`` having arrived."""
        if not self.held and self._is_harmless(delta):
            return delta
        if self.held and not levelled(delta):
            self.held += delta  # invisible characters, as many as there are, are not looked at
            return ""
        return self._pass(self.held + delta, final=False)

    def close(self, rest: str = "") -> str:
        """What is left, ``rest`` having arrived; nothing arrives after it."""
        out = self._pass(self.held + rest, final=True)
        self.held = self._before = self._standing = ""
        return out

    def _is_harmless(self, delta: str) -> bool:
        """Whether ``delta`` may leave as it is, nothing being held; if so, it has been heard."""
        if self._undone:
            # What begins other atoms as it is read than as it stands, must be read.
            if self._before != self._standing or ESCAPING.search(delta):
                return False
            self._before = self._standing = (self._before + levelled(delta))[-_CONTEXT:]
            return True
        seen = self._before + levelled(delta)
        for atom in START.findall(seen, len(self._before)):
            if self._secrets.may_begin(atom):
                return False
        self._before = seen[-_CONTEXT:]
        return True

    def _view(self, text: str, *, final: bool) -> Levelled:
        if not self._undone:
            return Levelled(text, self._before)
        read, places = undone(text, final=final)
        begins = [begin for begin, _ in places]
        return Levelled(read, self._before, [*begins, places[-1][1] if places else 0])

    def _pass(self, text: str, *, final: bool) -> str:
        view = self._view(text, final=final)
        seen, place = view.seen, len(self._before)
        out: list[str] = []
        left, kept = 0, len(seen)  # released up to ``left`` of text; held from ``kept`` of seen
        while start := START.search(seen, place):
            place = start.end()
            if not self._secrets.may_begin(start[0]):
                continue
            hits, more = self._secrets.read(seen, start.start(), final=final)
            if more:
                kept = start.start()
                break
            if hits:
                place = hits[-1].end
                out += [text[left : view.offset(start.start())], WITHHELD]
                left = view.offset(place)
                self.withheld += 1
        held = view.offset(kept)
        self._before = seen[max(0, kept - _CONTEXT) : kept]
        self.held = text[held:]
        if self._undone:
            self._standing = (self._standing + levelled(text[:held]))[-_CONTEXT:]
        if not out:
            return text[:held]
        return "".join((*out, text[left:held]))
