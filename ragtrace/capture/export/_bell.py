"""Bell: wakes a thread, whoever rings it and wherever."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue

__all__ = ["Bell"]


class Bell:
    """Wakes the one thread that waits for it.

    A ``threading.Event`` cannot be set by a thread that is just setting, clearing or awaiting it;
    and where garbage collection ends an abandoned stream, a thread comes to that. This can.

    Attributes:
        rung: Whether it was, since it was last cleared.
    """

    __slots__ = ("_rings", "rung")

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.rung = False

    def ring(self) -> None:
        """Wake who waits, now or next."""
        self.rung = True
        self._rings.put(None)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it is rung, for at most so many seconds."""
        with suppress(Empty):
            self._rings.get(timeout=seconds)

    def clear(self) -> None:
        """Forget that it was rung; who waits next, waits for the next time."""
        for _ in range(self._rings.qsize()):
            self._rings.get_nowait()  # nobody else takes them
        self.rung = False  # last: who has seen that it was rung relies on what follows
