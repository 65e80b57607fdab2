"""A worker that is forked while a thread, which it has not, holds locks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

import pytest

__all__ = ["PATIENCE", "forks", "goes_on_in_child"]

PATIENCE: Final = 30
"""Seconds after which something has come to a halt; it is done in a moment, or never."""


def forks(test: Any) -> Any:
    """Marks a test that forks, with threads."""
    missing = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    return missing(pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")(test))


def goes_on_in_child(act: Callable[[], object], *locks: AbstractContextManager[Any]) -> bool:
    """Whether ``act`` comes to its end in a child, while another thread holds the locks."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            over.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)  # what waits for ever dies of it
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    over.set()
    thread.join()
    return os.waitpid(child, 0)[1] == 0
