"""Line: one line for a terminal, whatever a file put into it."""

from __future__ import annotations

import click

__all__ = ["printable", "say"]


def printable(text: str) -> str:
    """``text`` with everything escaped that is not a character one sees.

    Names and reasons come from files: they may hold line ends, escapes that a terminal obeys,
    and lone surrogates that cannot be written at all.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Print it on a line of its own."""
    click.echo(printable(text), err=err)
