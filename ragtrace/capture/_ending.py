"""Ending: the block in which a model is called, with the end of which the call ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["ending"]

LEFT: Final = (GeneratorExit, asyncio.CancelledError)
"""What ends a stream whose reader has gone away."""


class Call(Protocol):
    """What is ended."""

    def finish(self, error: BaseException | None = None, *, partial: bool = False) -> None:
        """End the call; a second time does nothing."""


class ending:
    """End the call with the block, noting an error, or a reader who went away early.

    Args:
        call: That is made in the block.
        then: What is to be done after it has ended, whatever happens.
    """

    # A class and no generator: every call passes one, and a generator takes thrice as long.
    __slots__ = ("_call", "_then")

    def __init__(self, call: Call, then: Callable[[], object] | None = None) -> None:
        self._call, self._then = call, then

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        try:
            partial = isinstance(error, LEFT)
            self._call.finish(None if partial else error, partial=partial)
        finally:
            if self._then is not None:
                self._then()
