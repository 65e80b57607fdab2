"""Ranges: what was found and judged, as attributions with their places in both texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from ragtrace.attribution._fold import Places
from ragtrace.attribution._reading import Reading
from ragtrace.attribution._skeleton import Skeleton
from ragtrace.attribution._verdicts import Found
from ragtrace.model import Attribution, Span, Verdict

__all__ = ["attributions"]

Chunks = Callable[[int], tuple[str, Skeleton]]
"""Digest and skeleton of a chunk by its number."""
Offsets = Callable[[int], Places]
"""Where each symbol of a chunk stands in its text."""


def attributions(
    reading: Reading, judged: Found, chunks: Chunks, offsets: Offsets
) -> Iterator[Attribution]:
    """One for each chunk that was found, in the order of their numbers.

    Args:
        reading: The messages.
        judged: What was found in them.
        chunks: Tells what a number stands for.
        offsets: Asked of each chunk that was found.
    """
    digests = [chunks(number)[0] for number in judged.runs.chunk[judged.bounds[:-1]].tolist()]
    spans = _spans(reading, judged, chunks, offsets)
    bounds = judged.bounds.tolist()
    for at, others in enumerate(judged.groups()):
        mine = spans[bounds[at] : bounds[at + 1]]
        if len(reading.views) > len(reading.texts):
            mine = _outermost(mine)
        verdict: Verdict = "explained" if judged.explained[at] else "ambiguous"
        if judged.certain[at]:
            verdict = "certain"
        group = tuple(sorted(digests[other] for other in others))
        whole = bool(judged.whole[at])
        yield Attribution(digests[at], verdict, tuple(mine), group, whole)


def _spans(reading: Reading, judged: Found, chunks: Chunks, offsets: Offsets) -> list[Span]:
    runs = judged.runs
    starts, ends = (places.tolist() for places in reading.characters(runs.start, runs.end))
    messages = reading.message_of(runs.start).tolist()
    lengths, strength = runs.length.tolist(), judged.evidence.tolist()
    begins, stops = runs.chunk_start, runs.chunk_end - 1
    spans: list[Span] = []
    for first, last in pairwise(judged.bounds.tolist()):
        number = int(runs.chunk[first])
        text, places = chunks(number)[1].text, offsets(number)
        here = places[begins[first:last]].tolist(), places[stops[first:last]].tolist()
        for at, begin, stop in zip(range(first, last), *here, strict=True):
            start, end, message = starts[at], ends[at], messages[at]
            copied = end - start == stop + 1 - begin and reading.texts[message].startswith(
                text[begin : stop + 1], start
            )
            found = (message, start, end, begin, stop + 1, lengths[at], copied, strength[at])
            spans.append(Span(*found))
    return spans


def _outermost(spans: Sequence[Span]) -> list[Span]:
    """Without what is part of another: views of one message find the same copy again."""
    kept: list[Span] = []
    open_: list[Span] = []  # those that reach as far as where the next begins
    for span in sorted(spans, key=lambda one: (one.message, one.start, -one.symbols)):
        open_ = [o for o in open_ if o.message == span.message and o.end > span.start]
        if not any(_holds(other, span) for other in open_):
            kept.append(span)
            open_.append(span)
    return kept


def _holds(one: Span, other: Span) -> bool:
    return (
        one.message == other.message
        and one.start <= other.start
        and other.end <= one.end
        and one.chunk_start <= other.chunk_start
        and other.chunk_end <= one.chunk_end
    )
