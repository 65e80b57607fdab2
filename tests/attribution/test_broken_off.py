"""What is broken off half-way, as where memory runs out, leaves an index as it was."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from types import CodeType, FrameType
from typing import Any

import pytest

from ragtrace.attribution import Index, _matcher, _rows, _seeds
from ragtrace.model import Attribution, Message
from tests.prose import chunk, prose

FILES = {module.__file__ for module in (_matcher, _rows, _seeds)}
Act = Callable[[Index], object]

OLD = [chunk(prose(n, 8 + n % 5)) for n in range(62)] + [chunk("Code 4711-AB")]
NEW = [chunk(prose(90, 30)), chunk("Code 0815-CD"), chunk("round and round " * 20)]
LARGE = chunk(prose(91, 2500))
MESSAGES = [Message("user", "\n".join(one.text for one in (*OLD[:4], *OLD[-4:], *NEW)))]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that grow, and seeds that are linked, at a few texts."""
    monkeypatch.setattr(_seeds, "_SMALLEST", 6)
    monkeypatch.setattr(_seeds, "_WAITING", 40)


def made() -> Index:
    """An index with some seeds that are linked and some that wait."""
    index = Index()
    index.add(*OLD[:-3])
    told(index)
    for one in OLD[-3:]:
        index.add(one)
    return index


def told(index: Index) -> list[Attribution]:
    """What it says, in an order of its own."""
    return sorted(index.attribute(MESSAGES), key=lambda one: one.chunk)


def fails(act: Act, index: Index, line: int) -> bool:
    """Whether ``act`` comes to so many lines of an index; memory runs out before the last."""
    left, seen = line, Counter[tuple[CodeType, int]]()

    def at(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        place = frame.f_code, frame.f_lineno
        seen[place] += event == "line"
        if event == "line" and seen[place] <= 2:  # a loop is broken off at its beginning and within
            left -= 1
            if left == 0:
                raise MemoryError
        return at

    before = sys.gettrace()
    with suppress(MemoryError):
        sys.settrace(at)
        act(index)
    sys.settrace(before)
    return left <= 0


def broken_off(index: Index, act: Act) -> Iterator[Index]:
    """Copies of ``index``, with each of which ``act`` came one line further before it failed."""
    line = 1
    while fails(act, tried := deepcopy(index), line):
        yield tried
        line += 1
    assert line > 10


@pytest.mark.parametrize("new", [NEW[:1], NEW[1:2], [*NEW, LARGE]])
def test_chunks_that_could_not_be_added_are_not_there_and_can_be_added(new: list[Any]) -> None:
    """All that was there is found as before."""
    index = made()
    before = told(deepcopy(index))
    whole = deepcopy(index)
    whole.add(*new)
    after = told(whole)
    for tried in broken_off(index, lambda index: index.add(*new)):
        assert told(tried) == before and len(tried) == len(OLD)
        tried.add(*new)
        assert told(tried) == after


def test_a_chunk_is_added_behind_those_that_could_not_be() -> None:
    """What was left of them is no part of it."""
    index = made()
    whole = deepcopy(index)
    whole.add(NEW[0])
    after = told(whole)
    for tried in broken_off(index, lambda index: index.add(LARGE, *NEW[1:])):
        tried.add(NEW[0])
        assert told(tried) == after


def test_a_look_that_was_broken_off_changes_nothing() -> None:
    """What waited to be linked is found by the next."""
    index = made()
    after = told(deepcopy(index))
    for tried in broken_off(index, told):
        assert told(tried) == after


def test_a_removal_that_was_broken_off_takes_nothing_else_away() -> None:
    """Also where it would have made room of what was removed."""
    index = made()
    for one in OLD[4:35]:
        index.remove(one.digest)
    last = OLD[35].digest
    whole = deepcopy(index)
    whole.remove(last)
    after = told(whole)
    for tried in broken_off(index, lambda index: index.remove(last)):
        tried.remove(last)
        assert told(tried) == after and len(tried) == len(whole)
