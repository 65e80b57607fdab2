"""Ids of requests: never given twice, in whatever thread or process."""

from __future__ import annotations

import os
import random
import threading

import pytest

from ragtrace.capture._ids import AT_ONCE, new_id


def test_no_two_are_the_same() -> None:
    """Not in several threads, nor where the application has seeded Python's random numbers."""
    given: list[str] = []

    def draw() -> None:
        random.seed(0)
        given.extend(new_id() for _ in range(3 * AT_ONCE))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == len(given) == 8 * 3 * AT_ONCE
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in given)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_gives_others_than_its_parent() -> None:
    """What the parent has ready is not given by both."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(new_id() for _ in range(AT_ONCE)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = set(told.read().split())
    os.waitpid(child, 0)
    assert len(theirs) == AT_ONCE
    assert theirs.isdisjoint(new_id() for _ in range(2 * AT_ONCE))
