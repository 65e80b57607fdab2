"""Matcher: which of these chunks are in this prompt, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution._automaton import Automaton
from ragtrace.attribution._common import Row, related
from ragtrace.attribution._fold import Places
from ragtrace.attribution._kgrams import KEPT, LOOKED_UP, SURELY_FOUND, Hashes, K, kgrams
from ragtrace.attribution._ranges import attributions
from ragtrace.attribution._reading import PADDING, Reading, read
from ragtrace.attribution._rows import Rows
from ragtrace.attribution._run import MIN_RUN, MIN_WHOLE, Runs, maximal, stretches
from ragtrace.attribution._seeds import Seeds
from ragtrace.attribution._skeleton import Skeleton, skeleton
from ragtrace.attribution._verdicts import found
from ragtrace.model import Attribution, Chunk, Message

__all__ = ["Index"]

REPEATS: Final = 8
"""Places of one seed in a chunk up to which every copy is reported by itself. A chunk that
repeats itself more is read by an automaton: its copies cannot be told apart anyhow, and
reporting each against each would be quadratic."""

COMMON: Final = 32
"""Chunks that share a seed from which it is boilerplate: looked at only where no run that is
evidence stands already, or 200 documents with one footer would be found 40,000 times."""

BLOCK: Final = LOOKED_UP << 14
"""Places of a prompt hashed at a time: what is computed for them stays in the processor's
cache, and no array is so large that the system has to find new memory for it."""

AUTOMATA: Final = 8
"""Chunks that repeat themselves whose automata are kept: 440 bytes a character each."""

NOWHERE: Final[Places] = np.zeros(0, np.int64)

NO_RUNS: Final = Runs.of([])

PAIRS: Final = 1 << 20
"""Places times chunks that boilerplate may be expanded to in one prompt; beyond, each place is
compared with the newest of its chunks only. About 0.1 s."""


class Index:
    """Chunks that can be looked for in any text, each under its digest.

    Looking costs time linear in the text and in what is found in it; chunks that are not found
    cost nothing, but for those shorter than SURELY_FOUND symbols. Not thread-safe; the owner
    holds a lock.
    """

    def __init__(self) -> None:
        self._rows, self._seeds = Rows(), Seeds()
        self._numbers: dict[str, int] = {}
        self._chunks: list[tuple[str, Skeleton] | None] = []
        self._offsets: dict[int, Places] = {}  # of chunks that have been found
        self._alive = np.zeros(64, bool)
        self._tiny: dict[int, str] = {}
        self._repeating: dict[int, Automaton | None] = {}  # built when first needed
        self._crowds: set[int] = set()  # first seeds of hashes that many chunks have

    def __contains__(self, digest: str) -> bool:
        return digest in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, *chunks: Chunk) -> None:
        """Make ``chunks`` findable; adding one twice changes nothing. Many at once is quicker."""
        new = {one.digest: one.text for one in chunks if one.digest not in self._numbers}
        self._take_in([(digest, skeleton(text)) for digest, text in new.items()])

    def remove(self, digest: str) -> None:
        """Forget a chunk; forgetting one that is not there changes nothing."""
        number = self._numbers.get(digest)
        if number is None:
            return
        self._forget(number)
        del self._numbers[digest]
        if 2 * len(self._numbers) < len(self._chunks):
            with suppress(MemoryError):  # what is forgotten takes its room for a while longer
                self._shrink()

    def attribute(self, messages: Sequence[Message] | Reading) -> list[Attribution]:
        """Every chunk found in ``messages``, with its verdict and its ranges in both texts.

        A reading is as good as the messages, where they are looked through more than once.
        Exact on skeletons, in every view of a message. It cannot see paraphrase, translation,
        or edits denser than one in MIN_RUN symbols.
        """
        reading = messages if isinstance(messages, Reading) else read(messages)
        runs = self._runs(reading)
        if not len(runs):
            return []
        judged = found(runs, reading.view_of(runs.start), self._rows.sizes(runs.chunk))
        return list(attributions(reading, judged, self._known, self._offsets_of))

    @property
    def numbers(self) -> Mapping[str, int]:
        """The chunks by digest: what is found of several comes in the order of their numbers."""
        return self._numbers

    def may_hold(self, hashes: Hashes) -> bool:
        """Whether any of these K-grams may be one that is looked for: if not, nothing is found."""
        return self._seeds.holds_any(hashes)

    @property
    def has_tiny(self) -> bool:
        """Whether there are chunks that have no seeds, as they are too short."""
        return bool(self._tiny)

    def holds_tiny(self, symbols: str) -> bool:
        """Whether one of them is in a text of these symbols."""
        return any(tiny in symbols for tiny in self._tiny.values())

    def in_common(self, digests: Sequence[str], row: Row) -> tuple[set[int], set[str]]:
        """Which texts of ``row`` have something in common with chunks, and the digests of those.

        For what counts, see ``related``. Besides it is anything that a chunk has which repeats
        itself, or more than COMMON chunks.

        Args:
            digests: Of the texts; one that is a chunk here has nothing in common with itself.
            row: The texts.
        """
        places, heads, copies = self._seeds.find(row.hashes)
        if not len(places):
            return set(), set()
        places, common = places + PADDING, copies > COMMON
        texts, crowd = row.text_of(places[common]), self._crowd(heads[common])
        places, seeds = self._seeds.expand(places[~common], heads[~common], COMMON)
        alive = self._alive[self._seeds.owners[seeds]]
        places, seeds = places[alive], seeds[alive]
        chunk = self._seeds.owners[seeds]
        again = np.isin(chunk, list(self._repeating))
        own = [self._numbers.get(digest, -1) for digest in digests]
        more, chunks = related(row, own, self._rows, (places, chunk, self._seeds.places[seeds]))
        texts |= more | row.text_of(places[again])
        known = (self._chunks[number] for number in {*chunks, *crowd, *chunk[again].tolist()})
        return texts, {chunk[0] for chunk in known if chunk is not None}

    def _crowd(self, heads: Places) -> set[int]:
        """The chunks that have the seeds of these hashes; of each hash once, until there are more.

        Whichever comes later is told itself that it has something in common.
        """
        new = set(heads.tolist()) - self._crowds
        if not new:
            return set()
        some = np.array(sorted(new))
        _, seeds = self._seeds.expand(some, some, len(self._seeds))
        self._crowds |= new
        return set(self._seeds.owners[seeds].tolist())

    def _take_in(self, new: Sequence[tuple[str, Skeleton]]) -> None:
        """All of these or, where that fails, none: their numbers are nobody's then."""
        if not new:
            return
        start = self._rows.add([bones.codes() for _, bones in new])
        first = len(self._rows) - len(new)
        self._make_room()
        try:
            self._keep_seeds(start, new)
            for number, (digest, bones) in enumerate(new, first):
                self._chunks[number] = digest, bones
                if MIN_WHOLE <= len(bones.symbols) < SURELY_FOUND:
                    self._tiny[number] = bones.symbols
                self._numbers[digest] = number
            self._alive[first : len(self._chunks)] = True
        except BaseException:
            for number, (digest, _) in enumerate(new, first):
                self._numbers.pop(digest, None)
                self._forget(number)
            raise

    def _make_room(self) -> None:
        """As many chunks as there are rows."""
        self._chunks += [None] * (len(self._rows) - len(self._chunks))
        while len(self._chunks) > len(self._alive):
            self._alive = np.concatenate([self._alive, np.zeros_like(self._alive)])

    def _forget(self, number: int) -> None:
        for memory in (self._tiny, self._repeating, self._offsets):
            memory.pop(number, None)
        self._alive[number] = False
        self._chunks[number] = None

    def _shrink(self) -> None:
        """Make room of what was forgotten."""
        left = Index()
        left._take_in([self._known(number) for number in self._numbers.values()])
        vars(self).update(vars(left))

    def _keep_seeds(self, start: int, new: Sequence[tuple[str, Skeleton]]) -> None:
        """Keep the seeds of chunks whose rows begin at ``start`` and are the last."""
        if len(new) == 1:  # as what a model has just said
            size = len(new[0][1].symbols)
            if size >= SURELY_FOUND:
                hashes = kgrams(self._rows.codes[start : start + size], KEPT)
                places = np.arange(start, start + KEPT * len(hashes), KEPT)
                self._keep(hashes, places, np.full(len(hashes), len(self._rows) - 1))
            return
        hashes = kgrams(self._rows.codes[start : self._rows.end], KEPT)
        places = start + np.arange(len(hashes)) * KEPT
        owners, within = self._rows.locate(places)
        sizes = self._rows.sizes(owners)
        seeds = (within + K <= sizes) & (sizes >= SURELY_FOUND)
        self._keep(hashes[seeds], places[seeds], owners[seeds])

    def _keep(self, hashes: Hashes, places: Places, owners: Places) -> None:
        """Keep these seeds; of a chunk that repeats itself, one for each hash."""
        ordered = np.sort(hashes)
        if not (ordered[REPEATS:] == ordered[:-REPEATS]).any():  # so in no chunk either
            self._seeds.add(hashes, places, owners)
            return
        keys = (owners.astype(np.uint64) << np.uint64(32)) | hashes
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        often = set(owners[first[counts > REPEATS]].tolist())
        if often:
            self._repeating.update(dict.fromkeys(often))
            kept = ~np.isin(owners, list(often))
            kept[first] = True
            hashes, places, owners = hashes[kept], places[kept], owners[kept]
        self._seeds.add(hashes, places, owners)

    def _known(self, number: int) -> tuple[str, Skeleton]:
        """Digest and skeleton of a chunk that is there."""
        chunk = self._chunks[number]
        assert chunk is not None
        return chunk

    def _runs(self, reading: Reading) -> Runs:
        """Every maximal run that is surely found, and every copy of a chunk that is shorter."""
        places, heads, copies = self._known_seeds(reading)
        if not len(places):
            return self._and_tiny(reading, NO_RUNS)
        common = copies > COMMON
        if not common.any():
            return self._and_tiny(reading, self._expand(reading, places, heads, COMMON))
        runs = self._expand(reading, places[~common], heads[~common], COMMON)
        # A run that goes on beyond a known one has a seed in the symbols at that one's edge.
        known = runs.take((runs.length >= MIN_RUN).nonzero()[0])
        edge = SURELY_FOUND - K
        open_ = common & ~_inside(places - edge, places + K + edge, known)
        most = max(1, PAIRS // max(1, int(open_.sum())))
        more = self._expand(reading, places[open_], heads[open_], most)
        runs += more.take((~_inside(more.start, more.end, known)).nonzero()[0])
        return self._and_tiny(reading, runs.each_once() if self._repeating else runs)

    def _and_tiny(self, reading: Reading, runs: Runs) -> Runs:
        if not self._tiny:
            return runs
        found = [
            (number, start, start + len(symbols), 0, len(symbols))
            for number, symbols in self._tiny.items()
            for start in _copies(reading.symbols, symbols)
        ]
        return runs + Runs.of(found)

    def _known_seeds(self, reading: Reading) -> tuple[Places, Places, Places]:
        """Every place with a seed of a chunk, the first seed of its hash, and its copies."""
        found = []
        end = len(reading.codes) - PADDING
        for start in range(PADDING, end, BLOCK):
            hashes = reading.hashes.get(start)
            if hashes is None:
                hashes = kgrams(reading.codes[start : min(start + BLOCK + K - 1, end)], LOOKED_UP)
                reading.hashes[start] = hashes
            places, heads, copies = self._seeds.find(hashes)
            found.append((places * LOOKED_UP + start, heads, copies))
        if not found:
            return NOWHERE, NOWHERE, NOWHERE
        if len(found) == 1:
            return found[0]
        places, heads, copies = (np.concatenate(column) for column in zip(*found, strict=True))
        return places, heads, copies

    def _expand(self, reading: Reading, places: Places, heads: Places, most: int) -> Runs:
        places, seeds = self._seeds.expand(places, heads, most)
        at, chunk = self._seeds.places[seeds], self._seeds.owners[seeds]
        alive = self._alive[chunk]
        repeating = None
        if self._repeating:
            often = np.isin(chunk, list(self._repeating)) & alive
            repeating = Runs.of(list(self._repeated(reading, chunk[often], places[often])))
            alive &= ~often
        start, end, begin = maximal(reading.codes, self._rows.codes, places[alive], at[alive])
        number, within = self._rows.locate(begin)
        runs = Runs(np.array((number, start, end, within, within + end - start)))
        return runs if repeating is None else runs + repeating

    def _repeated(
        self, reading: Reading, chunks: Places, places: Places
    ) -> Iterator[tuple[int, int, int, int, int]]:
        """The runs of chunks that repeat themselves, read where their seeds stand."""
        for number in np.unique(chunks).tolist():
            automaton = self._automaton(number)
            for first, last in stretches(np.sort(places[chunks == number])):
                for match in automaton.matches(reading.symbols[first:last], SURELY_FOUND):
                    end = match.last + match.end - match.start
                    yield number, first + match.start, first + match.end, match.first, end

    def _automaton(self, number: int) -> Automaton:
        automaton = self._repeating[number]
        if automaton is None:
            kept = [name for name, one in self._repeating.items() if one is not None]
            if len(kept) >= AUTOMATA:
                self._repeating[kept[0]] = None
            automaton = self._repeating[number] = Automaton(self._known(number)[1].symbols)
        return automaton

    def _offsets_of(self, number: int) -> Places:
        """Where each symbol stands in its chunk's text; what was found once is found again."""
        places = self._offsets.get(number)
        if places is None:
            places = self._offsets[number] = self._known(number)[1].offsets()
        return places


def _inside(start: Places, end: Places, runs: Runs) -> NDArray[np.bool_]:
    """Which stretches lie within a run."""
    if not len(runs):
        return np.zeros(len(start), bool)
    order = np.argsort(runs.start)
    reached = np.maximum.accumulate(runs.end[order])
    before = np.searchsorted(runs.start[order], start, "right") - 1
    return (before >= 0) & (reached[before] >= end)


def _copies(text: str, symbols: str) -> Iterator[int]:
    """Where ``symbols`` stand in ``text``, as few places as cover all that copies cover."""
    size = len(symbols)
    start = text.find(symbols)
    while start >= 0:
        yield start
        overlapping = text.rfind(symbols, start + 1, start + size + size - 1)
        start = overlapping if overlapping >= 0 else text.find(symbols, start + size)
