"""Bench: the sections in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ragtrace.testing.attribution._session import Session
from ragtrace.testing.bench import Row

__all__ = ["SECTIONS", "measure"]


def measure(session: Session, section: str) -> Iterator[Row]:
    """The rows of one of SECTIONS, as they are measured."""
    yield from SECTIONS[section](session)


def _speed(session: Session) -> Iterator[Row]:
    from ragtrace.testing.attribution._speed import measure_speed

    yield from measure_speed(session)


def _precision(session: Session) -> Iterator[Row]:
    from ragtrace.testing.attribution._cells import measure_cells
    from ragtrace.testing.attribution._negatives import measure_negatives

    yield from measure_negatives(session)
    yield from measure_cells(session)


def _recall(session: Session) -> Iterator[Row]:
    from ragtrace.testing.attribution._curve import measure_curve
    from ragtrace.testing.attribution._recall import measure_recall

    yield from measure_recall(session)
    yield from measure_curve(session)


def _guard(session: Session) -> Iterator[Row]:
    from ragtrace.testing.attribution._guard import measure_guard

    yield from measure_guard(session)


def _corpus(session: Session) -> Iterator[Row]:
    from ragtrace.testing.attribution._corpus import measure_corpus

    yield from measure_corpus(session)


SECTIONS: Final[Mapping[str, Callable[[Session], Iterator[Row]]]] = {
    "speed": _speed,
    "precision": _precision,
    "recall": _recall,
    "guard": _guard,
    "corpus": _corpus,
}
"""What is measured, by the name that ``--only`` takes."""
