"""Patches: methods that are replaced, and put back, whoever else does the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ragtrace.capture import Patches
from tests.forked import forks, goes_on_in_child


class Framework:
    """Somebody else's."""

    def ask(self) -> list[str]:
        """Who has had the call."""
        return []


def noting(name: str) -> Callable[[Any], Any]:
    """Wraps a method so that it says so."""

    def wrap(original: Any) -> Any:
        return lambda self: [name, *original(self)]

    return wrap


def test_what_was_undone_and_put_back_by_another_is_not_wrapped_again() -> None:
    """Another instrumentor may restore what it found: our own replacement, which does nothing.

    The next one takes its place, and puts the framework's own function back when it goes.
    """
    original = Framework.__dict__["ask"]
    first = Patches()
    first.method(Framework, "ask", noting("first"))
    found = Framework.__dict__["ask"]
    first.undo()
    Framework.ask = found  # type: ignore[method-assign]
    second = Patches()
    second.method(Framework, "ask", noting("second"))
    assert Framework().ask() == ["second"]
    second.undo()
    assert Framework.__dict__["ask"] is original


def test_what_another_has_wrapped_around_ours_stays() -> None:
    """Only what is ours is looked through: a wrapper around it is somebody's, and is kept."""
    original = Framework.__dict__["ask"]
    first = Patches()
    first.method(Framework, "ask", noting("first"))
    theirs = noting("theirs")(Framework.__dict__["ask"])
    Framework.ask = theirs  # type: ignore[method-assign]
    first.undo()
    second = Patches()
    second.method(Framework, "ask", noting("second"))
    assert Framework().ask() == ["second", "theirs"]
    second.undo()
    assert Framework.__dict__["ask"] is theirs
    Framework.ask = original  # type: ignore[method-assign]


@forks
def test_a_worker_defines_classes_whoever_was_patching_when_it_was_forked() -> None:
    """A subclass that is defined in it is patched, and put back with the others."""
    original = Framework.__dict__["ask"]
    patches = Patches()
    patches.overrides(Framework, ["ask"], noting("ours"))

    def define() -> None:
        own = type("Own", (Framework,), {"ask": lambda self: ["own"]})
        assert own().ask() == ["ours", "own"]
        patches.undo()
        assert own().ask() == ["own"] and Framework.__dict__["ask"] is original

    assert goes_on_in_child(define, patches._lock)
    patches.undo()
