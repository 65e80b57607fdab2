"""Corpus: what the index of a whole corpus costs, and what a scan finds and what it does not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ragtrace.attribution.corpus import Corpus, CorpusDocument, CorpusPassage, CorpusWriter
from ragtrace.model import Label, Source
from ragtrace.testing.attribution._chunks import Chunks
from ragtrace.testing.attribution._curve import excerpt
from ragtrace.testing.attribution._letters import letters, windows
from ragtrace.testing.attribution._memory import memory_of_scans
from ragtrace.testing.attribution._session import Session
from ragtrace.testing.attribution._unrelated import PIECE, unrelated
from ragtrace.testing.attribution._workload import as_json
from ragtrace.testing.bench import Row, interleaved

__all__ = ["measure_corpus"]

MB: Final = 1_000_000
MB_PER_SECOND: Final = 20
BYTES_PER_CHUNK: Final = 650
SCAN_MS: Final = 4
LENGTHS: Final = (32, 39, 44, 48, 52, 55, 60, 64, 80, 100, 128, 160)
PROMISED: Final = 55
"""Symbols of a shared run from which on it is always found: two seeds in a row lie in it."""

AROUND: Final = 200
"""Characters beside an alarm that are looked at too: a passage may be longer than is proved."""


class _Supply:
    """Documents for the index: real ones first, then made-up ones; making them is timed apart."""

    def __init__(self, session: Session) -> None:
        self.chunks = Chunks(session.material, session.seed)
        real = list(dict.fromkeys(session.material.documents))
        self.real = real[: session.effort.chunks // 2]
        self._made = session.effort.chunks - len(self.real)
        self._session = session
        self.characters = 0
        self.seconds = 0.0

    def __iter__(self) -> Iterator[CorpusDocument]:
        label, source = Label("internal"), Source("made/up")
        number = 0
        for texts in self._session.steps("corpus: building", self._blocks(), self._made // 100):
            start = _clock()
            made = [
                CorpusDocument(str(number + at), text, label, source)
                for at, text in enumerate(texts)
            ]
            number += len(made)
            self.characters += sum(map(len, texts))
            self.seconds += _clock() - start
            yield from made

    def text(self, document: str) -> str:
        """The text of the document with this id."""
        number = int(document)
        if number < len(self.real):
            return self.real[number]
        return self.chunks[number - len(self.real)]

    def _blocks(self) -> Iterator[Sequence[str]]:
        yield self.real
        blocks = self.chunks.blocks(self._made)
        while True:
            start = _clock()
            block = next(blocks, None)
            self.seconds += _clock() - start
            if block is None:
                return
            yield block


def _clock() -> float:
    return time.perf_counter()


def measure_corpus(session: Session) -> Iterator[Row]:
    """Build an index in a temporary directory, and ask it."""
    with TemporaryDirectory(prefix="ragtrace-bench-") as home:
        path = Path(home) / "index"
        supply = _Supply(session)
        yield from _building(session, supply, path)
        prompts = _prompts(session, supply)
        corpus = Corpus.open(path)
        yield from _scanning(session, corpus, prompts)
        yield from _memory(path, prompts)
        yield from _recall(session, supply, corpus)
        yield from _alarms(session, supply, corpus)


def _building(session: Session, supply: _Supply, path: Path) -> Iterator[Row]:
    used, start = time.process_time(), _clock()
    with CorpusWriter(path) as writer:
        writer.add(supply)
    # The slower of the clock and the processor: neither a second core nor the disk counts twice.
    took = max(_clock() - start, time.process_time() - used) - supply.seconds
    subject = f"building {session.effort.chunks:,} chunks"
    rate = supply.characters / MB / took
    yield Row("corpus", subject, "rate", rate, "MB/s", at_least=MB_PER_SECOND)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    per_chunk = size / session.effort.chunks
    yield Row("corpus", subject, "on disk", per_chunk, "B/chunk", at_most=BYTES_PER_CHUNK)
    yield Row("corpus", subject, "text", supply.characters / MB, "MB")
    yield Row("corpus", subject, "time", took, "s")


def _prompts(session: Session, supply: _Supply) -> list[list[str]]:
    """Prompts of 100 KB, of which two chunks are in the index and the rest is like it."""
    dice = session.dice("corpus prompts")
    other = Chunks(session.material, session.seed + 1)
    prompts = []
    for number in range(session.effort.scans + 1):
        parts = [supply.text(str(dice.randrange(session.effort.chunks))) for _ in range(2)]
        while sum(map(len, parts)) < PIECE:
            parts.append(f"{other[number * 100 + len(parts)]}\n\n")
        prompts.append(parts)
    return prompts


def _scanning(session: Session, corpus: Corpus, prompts: list[list[str]]) -> Iterator[Row]:
    """Plain prompts, and the same as JSON, which is read as it stands and unescaped."""
    repeats = {"scan": session.effort.scans}
    escaped = [[as_json("".join(parts))] for parts in prompts]
    for subject, texts, bar in (
        ("scanning 100 KB", prompts, SCAN_MS),
        ("scanning 100 KB of JSON", escaped, None),
    ):
        timed = interleaved({"scan": corpus.scan}, partial(_prompt, texts), repeats)["scan"]
        if timed.busy:
            session.listener.note(f"the machine was busy during corpus: {subject}")
        yield Row("corpus", subject, "median", timed.median * 1e3, "ms", at_most=bar)
        yield Row("corpus", subject, "of the processor", timed.own * 1e3, "ms")
        yield Row("corpus", subject, "p99", timed.p99 * 1e3, "ms")


def _prompt(texts: Sequence[Sequence[str]], number: int) -> str:
    return "".join(texts[number])


def _memory(path: Path, prompts: list[list[str]]) -> Iterator[Row]:
    """In a process of its own, which has built nothing."""
    for moment, said in memory_of_scans(path, ["".join(parts) for parts in prompts]).items():
        subject = f"memory of a process, {moment}"
        yield Row("corpus", subject, "resident", said[0], "MB")
        yield Row("corpus", subject, "without pages of files", said[1], "MB")


def _recall(session: Session, supply: _Supply, corpus: Corpus) -> Iterator[Row]:
    other = Chunks(session.material, session.seed + 2)
    for length in session.steps("corpus: run lengths", LENGTHS):
        dice = session.dice("corpus", length)
        found = 0
        for number in range(session.effort.splices):
            # A made-up one: of a real one the passage may stand in others too.
            document = str(dice.randrange(len(supply.real), session.effort.chunks))
            text = supply.text(document)
            # What stands beside it must not go on as the document does.
            prompt = f"{other[2 * number]} ⟦Q: {excerpt(text, length, dice)} :Q⟧ {other[number]}"
            named = {owner.document for one in corpus.scan(prompt) for owner in one.owners}
            found += document in named
        bar = 1.0 if length >= PROMISED else None
        share = found / session.effort.splices
        yield Row("corpus", f"run of {length} symbols", "found", share, "", at_least=bar)


def _alarms(session: Session, supply: _Supply, corpus: Corpus) -> Iterator[Row]:
    accidental = shared = characters = 0
    total = round(session.effort.unrelated_mb * MB / PIECE)
    pieces = unrelated(session.effort.unrelated_mb)
    for piece in session.steps("corpus: other text", pieces, total):
        characters += len(piece)
        for passage in corpus.scan(piece):
            if _is_shared(piece, passage, supply):
                shared += 1
                continue
            accidental += 1
            said = piece[passage.start : passage.end]
            session.listener.note(f"accidental: {said!r} taken for document {passage.document}")
    if characters < session.effort.unrelated_mb * MB:
        session.listener.note(f"only {characters // MB} MB of other text on this machine")
    subject = "other text"
    yield Row("corpus", subject, "accidental alarms", accidental, "", at_most=0)
    yield Row("corpus", subject, "text really shared", shared, "")
    yield Row("corpus", subject, "scanned", characters / MB, "MB")


def _is_shared(piece: str, passage: CorpusPassage, supply: _Supply) -> bool:
    """Whether the document named holds what is reported, or PROMISED letters in a row of it."""
    said = letters(piece[passage.start : passage.end])
    nearby = windows(piece[max(0, passage.start - AROUND) : passage.end + AROUND], PROMISED)
    for owner in passage.owners:
        text = supply.text(owner.document)
        if said in letters(text) or nearby & windows(text, PROMISED):
            return True
    return False
