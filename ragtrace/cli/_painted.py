"""Painted: a prompt on a terminal, each stretch of it in the colour of its source and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from ragtrace.cli._line import printable

if TYPE_CHECKING:
    from ragtrace.forensics import Painted, Stretch

__all__ = ["painted"]

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue", "red")
"""Given to sources and levels in the order in which they come; with more, they come again."""


def painted(messages: Sequence[Painted]) -> Iterator[Text]:
    """The messages line by line, and a legend of their colours."""
    colours: dict[tuple[str, str], str] = {}
    for message in messages:
        line = Text(f"{printable(message.role) or '?'}: ", style="bold")
        for stretch in message.stretches:
            line.append(_text(stretch), style=_colour(stretch, colours))
        yield line
    for (source, level), colour in colours.items():
        yield Text(f"  ■ {printable(source)}, {printable(level)}", style=colour)


def _text(stretch: Stretch) -> str:
    if stretch.text is None:
        return f"[{stretch.length} characters that are not kept or not for this reader]"
    # Line ends are the prompt's own; anything else that a terminal obeys is not.
    return "\n".join(map(printable, stretch.text.split("\n")))


def _colour(stretch: Stretch, colours: dict[tuple[str, str], str]) -> str:
    if stretch.flow is None:
        return "dim" if stretch.text is None else ""
    key = (stretch.flow.source, stretch.flow.level)
    return colours.setdefault(key, _COLOURS[len(colours) % len(_COLOURS)])
