"""Locks: garbage collection ends an abandoned stream in any thread, also in one that holds them."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from ragtrace.attribution import _fold
from ragtrace.capture import Call, Ledger, Model, Request, Runtime, _taint, current
from ragtrace.capture._lock import Lock
from ragtrace.capture._taint import Taint
from ragtrace.capture._vault import Vault
from ragtrace.capture.export import _losses
from ragtrace.capture.export._bell import Bell
from ragtrace.labels import Lattice
from ragtrace.model import Label, Message
from ragtrace.testing import recording
from ragtrace.wire import names
from tests.forked import PATIENCE, forks, goes_on_in_child
from tests.prose import chunk, prose


def ends(act: Callable[[], None]) -> bool:
    """Whether ``act`` comes to its end, in a thread of its own."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()


def abandon(runtime: Runtime, request: Request) -> None:
    """A stream that is read for a while, and then only by the garbage collector."""

    def stream() -> Iterator[str]:
        model = Model("chat", "fake", "fake")
        call = Call(runtime, request, model, [Message("user", "tell me")], stream=True)
        with call.ended():
            yield call.say(prose(3, 60))

    made = stream()
    next(made)
    ring: list[Any] = [made]
    ring.append(ring)


LOCKS: dict[str, Callable[[Runtime, Request], Any]] = {
    "ledger": lambda runtime, request: runtime.ledger._lock,
    "shared ledger": lambda runtime, request: runtime.ledger.shared.lock,  # type: ignore[union-attr]
    "marks": lambda runtime, request: runtime.ledger.marks._lock,
    "vault": lambda runtime, request: runtime.vault._lock,  # type: ignore[union-attr]
    "request": lambda runtime, request: request._lock,
    "taint": lambda runtime, request: request.taint.lock,
    "losses": lambda runtime, request: _losses._lock,
    "letters": lambda runtime, request: _fold._TABLE._learning,
}


class Alone:
    """A shared ledger that nobody else has."""

    def __init__(self) -> None:
        self.lock = Lock(brief=False)

    def publish(self, entries: object) -> None:
        with self.lock:
            pass

    def look(self, take: object) -> None:
        with self.lock:
            pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("held", LOCKS)
def test_a_stream_may_end_in_a_thread_that_holds_a_lock(held: str) -> None:
    """Its span is written and its answer remembered as soon as the thread is through."""
    with recording(instrument=False) as recorder:
        runtime = current()
        assert runtime is not None
        runtime.ledger.shared = Alone()  # type: ignore[assignment]
        vault = Vault(SimpleNamespace(emit=lambda record: None))  # type: ignore[arg-type]
        object.__setattr__(runtime, "vault", vault)
        request = runtime.request()
        gc.collect()

        def collect() -> None:
            abandon(runtime, request)
            with LOCKS[held](runtime, request):
                gc.collect()

        assert ends(collect)
        (span,) = recorder.of("chat")
        assert span.attributes[names.PARTIAL] is True
        assert runtime.ledger.completion(str(span.attributes[names.COMPLETION_DIGEST]))


def test_what_is_half_done_in_the_ledger_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put into it by a thread that is just putting something in."""
    ledger, order = Ledger(), []
    with ledger._lock:
        assert ledger.put_off(lambda: order.append("late"))
        with ledger._lock:
            pass
        order.append("first")
    assert order == ["first", "late"]
    assert not ledger.put_off(lambda: order.append("never"))


def test_another_thread_waits_and_puts_nothing_off() -> None:
    """It is not in the midst of anything."""
    ledger, said = Ledger(), []
    with ledger._lock:
        thread = threading.Thread(target=lambda: said.append(ledger.put_off(lambda: None)))
        thread.start()
        thread.join(PATIENCE)
    assert said == [False]


def test_a_taint_that_comes_in_between_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both labels count."""
    lattice = Lattice(("public", "internal", "secret"))
    taint, plain, between = Taint(), _taint.joined, iter([Label("secret")])

    def joined(*args: Any) -> Any:
        made = plain(*args)
        for label in between:
            taint.add(lattice, (label, ()))
        return made

    monkeypatch.setattr(_taint, "joined", joined)
    taint.add(lattice, (Label("internal"), ()))
    assert taint.all is not None and taint.all[0] == Label("secret")


def test_a_bell_may_be_rung_by_a_thread_that_is_at_it() -> None:
    """At every line of ringing, clearing and waiting."""
    bell = Bell()

    def again(frame: FrameType, event: str, arg: object) -> Any:
        bell.ring()
        return again

    def use() -> None:
        sys.settrace(again)
        try:
            bell.ring()
            bell.wait()
            bell.wait(0)
            bell.clear()
        finally:
            sys.settrace(None)

    assert ends(use)


def test_a_bell_that_was_rung_is_heard_by_who_waits_next() -> None:
    """And once it is cleared, no more."""
    bell = Bell()
    bell.ring()
    assert bell.rung and ends(bell.wait)
    bell.ring()
    bell.clear()
    assert not bell.rung and not bell._rings.qsize()


@forks
def test_a_fork_waits_for_a_thread_that_is_in_the_ledger() -> None:
    """Its child finds a ledger that is whole, and that nobody holds."""
    ledger, inside = Ledger(), threading.Event()

    def hold() -> None:
        with ledger._lock:
            inside.set()
            threading.Event().wait(0.2)
            ledger._add([chunk(prose(5, 40))])

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(PATIENCE)
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        try:
            seen = ledger.attribute([Message("user", prose(5, 40))])
            os._exit(0 if len(seen.found) == 1 else 1)
        finally:
            os._exit(2)
    thread.join(PATIENCE)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ledger.add([chunk(prose(6, 40))])


@forks
def test_what_another_thread_held_is_free_in_a_forked_child() -> None:
    """A request that is open, its taint, and the table of letters go on in a worker."""
    with recording(instrument=False):
        runtime = current()
        assert runtime is not None
        request, learning = runtime.request("customer"), _fold._TABLE._learning

        def go_on() -> None:
            request.saw([chunk(prose(1))])
            request.taint.add(Lattice(("a", "b")), (Label("b"), ()))
            with _fold._TABLE._learning:
                pass

        assert goes_on_in_child(go_on, request._lock, request.taint.lock, learning)
