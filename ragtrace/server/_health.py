"""Health: whether the store is well, known without waiting for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from ragtrace.errors import StoreError

__all__ = ["LOOK_SECONDS", "Health", "Pulse"]

LOOK_SECONDS: Final = 10.0
"""From one look at the store to the next, however often it is asked for."""
THREAD: Final = "ragtrace-health"
"""What the thread of a look is called in a listing of threads."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server is well, and which process it is.

    Attributes:
        broken_parts: That the engine set aside as damaged, at the last look; ``None`` until the
            first has ended, or where the store could not be asked.
    """

    status: Literal["ok", "degraded"]
    broken_parts: int | None
    pid: int


class Pulse:
    """Looks at the store now and then, beside those who ask: they are answered at once.

    Args:
        look: Counts broken parts; may wait for long.
        clock: Seconds that only go forwards.
    """

    def __init__(
        self, look: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._due = clock()
        self._looking = False
        self._broken: int | None = None
        self._failed = False

    def broken_parts(self) -> int | None:
        """What was found last; another look begins where that is a while ago."""
        with self._lock:
            if not self._looking and self._clock() >= self._due:
                self._looking = True
                threading.Thread(target=self._once, name=THREAD, daemon=True).start()
            return self._broken

    @property
    def is_well(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self._broken and not self._failed

    def _once(self) -> None:
        broken, failed = None, False
        try:
            broken = self._look()
        except StoreError:
            failed = True
        with self._lock:
            self._broken, self._failed = broken, failed
            self._looking, self._due = False, self._clock() + LOOK_SECONDS
