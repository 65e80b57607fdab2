"""The sheet: a table of figures with a head, for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """A table whose first column is words and whose others are figures, but for `words`.

    Attributes:
        words: Heads of other columns that hold words.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    words: Sequence[str] = ()

    def rich(self) -> Table:
        """Return the table for the terminal."""
        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for head in self.heads:
            table.add_column(head, justify="left" if self._is_words(head) else "right")
        for row in self.rows:
            table.add_row(*map(_cell, row))
        return table

    def markdown(self) -> str:
        """Return the table (str) in Markdown, under its title."""
        rules = ["---" if self._is_words(head) else "---:" for head in self.heads]
        lines = [self.heads, rules, *(map(_cell, row) for row in self.rows)]
        return f"**{self.title}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def _is_words(self, head: str) -> bool:
        return head == self.heads[0] or head in self.words


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
