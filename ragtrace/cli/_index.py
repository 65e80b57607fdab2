"""``ragtrace index``: the documents of a knowledge base, to be found in any text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._documents import Raw, Reading, shown
from ragtrace.cli._label import label_as_json
from ragtrace.cli._table import console, table
from ragtrace.config import INDEX, INDEX_KEY_FILE
from ragtrace.errors import CorpusIndexError
from ragtrace.model import Label, Passage, Source

if TYPE_CHECKING:
    from ragtrace.attribution.corpus import CorpusDocument, CorpusPassage, CorpusStats
    from ragtrace.labels import Labeller

__all__ = ["command"]

FOUND: Final = 1
"""Exit status of ``scan`` where something was found: a build that publishes texts fails on those
that hold internal ones."""

SHOWN: Final = 60
"""Characters of a passage in the table."""

index = click.option(
    "--index",
    "directory",
    envvar=INDEX.variable,
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the index.",
)
key_file = click.option(
    "--key-file",
    envvar=INDEX_KEY_FILE.variable,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the index's secret, where that is not in its directory.",
)


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the commands that read documents."""
    for option in (
        click.option("--skip-unreadable", is_flag=True, help="Leave out files that are not UTF-8."),
        click.option("--text-field", metavar="NAME", help="Field of a JSON line that is its text."),
        click.option("--source", metavar="NAME", help="Of documents that do not name theirs."),
        click.option("--label", metavar="LEVEL", help="Of documents that have none of their own."),
        click.option(
            "--policy",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Policy file whose rules label the documents.",
        ),
        click.argument(
            "paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path)
        ),
    ):
        command = option(command)
    return command


@click.group("index")
def command() -> None:
    """Index a knowledge base, and find its text in any text."""


@command.command("build")
@reading
@index
@key_file
@_options.as_json
def build(**said: Any) -> None:
    """Make the index anew of the documents in PATH…, in place of what is there.

    JSON lines (id, text or content, label, source), Markdown with front matter and plain text;
    directories with all in them. All or nothing: a document that cannot be read changes nothing.
    """
    _fill(**said, afresh=True)


@command.command("add")
@reading
@index
@key_file
@_options.as_json
def add(**said: Any) -> None:
    """Add the documents in PATH… to the index; one whose id is there replaces it."""
    _fill(**said, afresh=False)


@command.command("remove")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@index
@key_file
@_options.as_json
def remove(ids: tuple[str, ...], directory: Path, key_file: Path | None, as_json: bool) -> None:
    """Take the documents ID… out of the index."""
    from ragtrace.attribution.corpus import Corpus, CorpusWriter

    Corpus.open(directory, key_file, verify=False)  # where there is no index none is made
    with CorpusWriter(directory, key_file) as writer:
        missing = writer.remove(ids)
    removed = len(set(ids)) - len(missing)
    if as_json:
        click.echo(json.dumps({"removed": removed, "missing": list(missing)}))
        return
    click.echo(f"{removed} removed")
    for id in missing:
        click.echo(f"not in the index: {id}", err=True)


@command.command("scan")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@index
@key_file
@_options.as_json
def scan(file: str, directory: Path, key_file: Path | None, as_json: bool) -> None:
    """Say which stretches of FILE (``-`` is the standard input) indexed documents hold.

    Exit status 0 where there are none, 1 where there are, 2 on any error.
    """
    from ragtrace.attribution.corpus import Corpus

    corpus = Corpus.open(directory, key_file)
    text = _text(file)
    found = corpus.scan(text)
    if as_json:
        click.echo(json.dumps({"passages": [_as_json(p) for p in found]}, indent=2))
    elif found:
        columns = ("at", "symbols", "document", "source", "labels", "copies", "text")
        rows = [_row(passage, text) for passage in found]
        console().print(table(f"{file}: text of indexed documents", columns, rows))
    else:
        click.echo("nothing found")
    if found:
        sys.exit(FOUND)


def _fill(
    *,
    paths: tuple[Path, ...],
    policy: Path | None,
    label: str | None,
    source: str | None,
    text_field: str | None,
    skip_unreadable: bool,
    directory: Path,
    key_file: Path | None,
    as_json: bool,
    afresh: bool,
) -> None:
    from ragtrace.attribution.corpus import Corpus, CorpusWriter

    if policy is not None and label is not None:
        raise click.UsageError("--label: expected without --policy, which labels every document")
    labelled = _labelled(policy, label)
    given = Reading(paths, text_field, skip_unreadable)
    given.files()  # before there is an index: a path may not be there
    with CorpusWriter(directory, key_file) as writer, shown(given):
        documents = (
            labelled(raw, raw.source or source or f"file/{raw.found_in}")
            for raw in given.documents()
        )
        added = writer.add(documents, place=given.place, afresh=afresh)
    _tell(added, given.skipped, Corpus.open(directory, key_file, verify=False).stats(), as_json)


def _labelled(policy: Path | None, level: str | None) -> Callable[[Raw, str], CorpusDocument]:
    """Who labels a document: the policy, or the document itself, or the command line."""
    from ragtrace.attribution.corpus import CorpusDocument

    if policy is not None:
        from ragtrace.policy import read_policy

        labeller: Labeller = read_policy(policy).labeller

        def by_policy(raw: Raw, source: str) -> CorpusDocument:
            chunk = labeller.label(Passage(raw.text, Source(source), raw.metadata, raw.id))
            return CorpusDocument(raw.id, raw.text, chunk.label, chunk.source, chunk.ranges)

        return by_policy

    def by_itself(raw: Raw, source: str) -> CorpusDocument:
        own = raw.metadata.get("label", level)
        if own is None:
            raise CorpusIndexError(
                f"{raw.place}: expected a label: in the document, or by --label, or by --policy"
            )
        if not isinstance(own, str) or not own:
            raise CorpusIndexError(f"{raw.place}: expected the name of a level as its label")
        return CorpusDocument(raw.id, raw.text, Label(own), Source(source))

    return by_itself


def _tell(added: int, skipped: list[Path], stats: CorpusStats, as_json: bool) -> None:
    if as_json:
        said = {"added": added, "skipped": list(map(str, skipped)), "index": asdict(stats)}
        click.echo(json.dumps(said, indent=2))
        return
    click.echo(
        f"{added} documents added; {stats.documents} in the index, "
        f"{stats.size / 1e6:.1f} MB in {stats.segments} segments"
    )
    if stats.short:
        click.echo(f"{stats.short} too short to be found (fewer than 24 letters)", err=True)
    for path in skipped:
        click.echo(f"left out, not text in UTF-8: {path}", err=True)


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CorpusIndexError(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise CorpusIndexError(
            f"{file}: expected text in UTF-8, got byte {data[error.start]:#04x} at {error.start}"
        ) from None


def _row(passage: CorpusPassage, text: str) -> tuple[object, ...]:
    line = text.count("\n", 0, passage.start) + 1
    column = passage.start - (text.rfind("\n", 0, passage.start) + 1) + 1
    words = " ".join(text[passage.start : min(passage.end, passage.start + SHOWN)].split())
    more = "…" if passage.end > passage.start + SHOWN else ""
    return (
        f"{line}:{column}",
        passage.symbols,
        passage.document,
        passage.source.id,
        ", ".join(label.level for label in passage.labels),
        f"{passage.copies} (boilerplate)" if passage.boilerplate else str(passage.copies),
        words + more,
    )


def _as_json(passage: CorpusPassage) -> dict[str, Any]:
    return {
        "start": passage.start,
        "end": passage.end,
        "symbols": passage.symbols,
        "document": passage.document,
        "source": passage.source.id,
        "label": label_as_json(passage.label),
        "labels": [label_as_json(label) for label in passage.labels],
        "owners": [
            {"document": o.document, "source": o.source.id, "label": label_as_json(o.label)}
            for o in passage.owners
        ],
        "copies": passage.copies,
        "boilerplate": passage.boilerplate,
    }
