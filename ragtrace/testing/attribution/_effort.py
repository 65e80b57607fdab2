"""Effort: how much of everything a bench does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts only: what is measured is the same at every effort.

    Attributes:
        repeats: Timed calls of the smallest cell; larger cells take fewer.
        largest_prompt: Characters of the largest prompt that is timed.
        sizes: Points of the line of time over size.
        negatives: Decisions on documents that are not in the prompt.
        large_prompts: Prompts of 250 KB with the documents of their collection that are absent.
        cell_traces: Traces for each perturbation of each hard cell.
        traces: Traces for each perturbation; a trace has four documents in the prompt.
        splices: Excerpts for each length of a curve.
        answers: Answers that are streamed.
        fuzzed: Streams cut at random.
        chunks: Chunks in the corpus index.
        unrelated_mb: Megabytes of other text scanned for accidental alarms.
        scans: Prompts of 100 KB whose scan is timed.
    """

    repeats: int
    largest_prompt: int
    sizes: int
    negatives: int
    large_prompts: int
    cell_traces: int
    traces: int
    splices: int
    answers: int
    fuzzed: int
    chunks: int
    unrelated_mb: float
    scans: int


FULL: Final = Effort(
    repeats=240,
    largest_prompt=400_000,
    sizes=8,
    negatives=20_000,
    large_prompts=24,
    cell_traces=60,
    traces=60,
    splices=300,
    answers=1_000,
    fuzzed=2_000,
    chunks=1_000_000,
    unrelated_mb=100,
    scans=60,
)
"""The figures that are published: 20,000 negatives bound the rate of false verdicts by 0.015 %."""

QUICK: Final = Effort(
    repeats=40,
    largest_prompt=400_000,
    sizes=5,
    negatives=2_000,
    large_prompts=4,
    cell_traces=10,
    traces=10,
    splices=50,
    answers=150,
    fuzzed=200,
    chunks=50_000,
    unrelated_mb=10,
    scans=15,
)
"""A minute or two, for a look while working."""
