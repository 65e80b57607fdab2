"""Listener: who is told how far a bench is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Listener", "Silent"]


class Listener(Protocol):
    """Told what is going on; the command line draws a bar of it."""

    def progress(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of ``what`` are behind us."""

    def note(self, text: str) -> None:
        """Something a reader of the figures has to know."""


class Silent:
    """Nobody listens."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
