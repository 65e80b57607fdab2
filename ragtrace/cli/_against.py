"""``ragtrace replay --against``: what was retrieved, beside the documents of today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ragtrace.cli._line import printable
from ragtrace.cli._table import console, table

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import CorpusDocument
    from ragtrace.cli._documents import Raw
    from ragtrace.forensics import FiledToday, IndexedToday
    from ragtrace.policy import Policy
    from ragtrace.store import Reader

__all__ = ["show_against"]

MANIFEST: Final = "manifest"
"""A file that makes a directory an index."""


def show_against(
    reader: Reader, id: str, path: Path, policy: Policy | None, *, as_json: bool
) -> None:
    """Show what has become of each retrieved chunk.

    Args:
        reader: Gives the trace.
        id: Of the trace.
        path: Of a corpus index, or of documents as ``index build`` reads them.
        policy: Labels documents that are read from files; without it, what they say of themselves.
        as_json: Whether to print JSON.

    Raises:
        RagtraceError: One of them cannot be read.
    """
    from ragtrace.forensics import then_and_now

    found = then_and_now(reader, id, _today(path, policy))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    rows = [
        (
            *(one.rank, "" if one.score is None else f"{one.score:.3f}"),
            *map(printable, (one.document, one.source, one.level, ", ".join(one.levels))),
            one.change,
            printable(one.reason),
        )
        for one in found.chunks
    ]
    columns = ("rank", "score", "document", "source", "level then", "level now", "text", "")
    out = console()
    out.print(table(f"Retrieved in {found.trace_id}, and today", columns, rows))
    told = ", ".join(f"{count} {change}" for change, count in found.counts.items())
    out.print(f"Of {len(found.chunks)} retrieved chunks: {told}.", markup=False)


def _today(path: Path, policy: Policy | None) -> FiledToday | IndexedToday:
    from ragtrace.attribution.corpus import Corpus
    from ragtrace.cli._documents import Reading, shown
    from ragtrace.forensics import FiledToday, IndexedToday

    if (path / MANIFEST).is_file():
        return IndexedToday(Corpus.open(path))
    given = Reading((path,))
    with shown(given):
        return FiledToday([_labelled(raw, policy) for raw in given.documents()])


def _labelled(raw: Raw, policy: Policy | None) -> CorpusDocument:
    from ragtrace.attribution.corpus import CorpusDocument
    from ragtrace.model import Label, Passage, Source

    source = Source(raw.source or f"file/{raw.found_in}")
    if policy is None:
        return CorpusDocument(raw.id, raw.text, Label(str(raw.metadata.get("label", ""))), source)
    chunk = policy.labeller.label(Passage(raw.text, source, raw.metadata, raw.id))
    return CorpusDocument(raw.id, raw.text, chunk.label, chunk.source, chunk.ranges)
