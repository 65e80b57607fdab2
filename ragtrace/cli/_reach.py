"""``ragtrace reach``: what a text got into, hop by hop, and who read the answers."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._table import console, moment, table
from ragtrace.cli._whole_file import write_whole
from ragtrace.config import INDEX, INDEX_KEY_FILE

if TYPE_CHECKING:
    from ragtrace.forensics import Holders, Reach
    from ragtrace.store import FlowFilter, Reader

__all__ = ["command", "reach_sentence", "reach_table"]

SHOWN: Final = 200
"""Rows of the table; --json and --csv give all."""
LONGEST_PASSAGE: Final = 1_000_000
"""Characters of a passage: a book. More is no passage."""
_CONDITIONS: Final = ("level", "user", "session", "audience", "since", "until")


@click.command("reach")
@click.argument("what", nargs=-1)
@click.option("--label", "level", metavar="LEVEL", help="What has this level.")
@click.option(
    "--passage",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="What holds the text in FILE; - is the standard input.",
)
@click.option(
    "--index",
    envvar=INDEX.variable,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Corpus index by which --passage is found; the kept texts, without.",
)
@click.option(
    "--key-file",
    envvar=INDEX_KEY_FILE.variable,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the index's secret, where that is not in its directory.",
)
@click.option("--user", metavar="U", help="In what this user asked.")
@click.option("--session", metavar="S", help="In this session.")
@click.option("--audience", metavar="A", help="For this audience.")
@click.option("--since", metavar="TIME", help="From 90s, 2h, 30d … ago on, or an ISO 8601 time.")
@click.option("--until", metavar="TIME", help="Before that.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write every flow to FILE as CSV; - is the standard output.",
)
@_options.store
@_options.as_json
def command(
    what: tuple[str, ...],
    passage: str | None,
    index: Path | None,
    key_file: Path | None,
    csv_file: str | None,
    store: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Name every prompt that WHAT reached, and what was made of it: hop by hop, how surely.

    WHAT is a document, chunk, digest, URI or source; of several, any. Options say where to begin,
    with WHAT or without; what was made of that is followed wherever it went.
    """
    from ragtrace.forensics import holders, reach
    from ragtrace.server import open_reader

    where = _where(said)
    if not (any(what) or passage or where.as_params()):
        raise click.UsageError("expected WHAT, or an option that says where to begin")
    held = None
    with closing(open_reader(store)) as reader:
        if passage is not None:
            held = _holders(holders, reader, _text(passage), index, key_file)
        found = reach(reader, (*what, *(held.names if held else ())), where=where)
    if csv_file is not None:
        _write(found, csv_file)
    if as_json:
        by = {} if held is None else {"passage": held.as_json()}
        click.echo(json.dumps({**found.as_json(), **by}, indent=2))
    elif csv_file != "-":
        _show(found, held, store)


def _where(said: dict[str, Any]) -> FlowFilter:
    from ragtrace.store import FlowFilter

    timed = {name: _options.moment(said[name], f"--{name}") for name in ("since", "until")}
    return FlowFilter(**{**{name: said[name] for name in _CONDITIONS}, **timed})


def _holders(
    find: Any, reader: Reader, passage: str, index: Path | None, key_file: Path | None
) -> Holders:
    corpus = None
    if index is not None:
        from ragtrace.attribution.corpus import Corpus

        corpus = Corpus.open(index, key_file)
    held: Holders = find(reader, passage, corpus)
    return held


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{file}: {error}", param_hint="--passage") from None
    if not text.strip() or len(text) > LONGEST_PASSAGE:
        raise click.BadParameter(
            f"{file}: expected 1 to {LONGEST_PASSAGE} characters", param_hint="--passage"
        )
    return text


def _write(found: Reach, file: str) -> None:
    from ragtrace.forensics import reach_csv

    if file == "-":
        sys.stdout.writelines(reach_csv(found))
        return
    # A name may hold half a character, which has no UTF-8.
    write_whole(Path(file), (line.encode("utf-8", "backslashreplace") for line in reach_csv(found)))


def _show(found: Reach, held: Holders | None, store: str) -> None:
    if not found.rows:
        raise click.ClickException(f"nothing called {found.what!r} has reached anything in {store}")
    out = console()
    if held is not None:
        asked = "in the corpus index" if held.way == "index" else "among the texts that are kept"
        less = "" if held.complete else "; there are more texts than were looked at"
        out.print(f"The passage was looked for {asked}{less}.", markup=False)
    out.print(reach_table(found))
    if len(found.rows) > SHOWN:
        out.print(f"The first {SHOWN} of {len(found.rows)} flows; --csv and --json give all.")
    out.print(reach_sentence(found), markup=False)


def reach_table(found: Reach) -> Any:
    """Every flow of it as a table, oldest first."""
    from ragtrace.forensics import outcome

    kinds = f" ({', '.join(found.matched)})" if found.matched else ""
    asked = ("time", "hop", "grade", "audience", "session", "stage")
    became = ("decision", "rule", "outcome", "trace")
    return table(
        f"Reach of {found.what[:SHOWN]}{kinds}",
        (*asked, *became),
        [
            (
                *(moment(f.time_ns), row.hop, row.grade, f.audience, f.session, f.stage),
                *(f.action, f.rule, outcome(f), f.trace_id),
            )
            for row in found.rows[:SHOWN]
            for f in [row.flow]
        ],
    )


def reach_sentence(found: Reach) -> str:
    """The counts, as sentences."""
    counts = found.counts
    told = ", ".join(counts.audiences) or "nobody"
    kept = counts.outcomes["kept_out"]
    more = (
        "" if found.complete else " There is more than one answer holds; the counts are of these."
    )
    return (
        f"It was retrieved {counts.retrievals} times, reached {counts.prompts} prompts and "
        f"{counts.completions} answers of {counts.users} users in {counts.sessions} sessions, "
        f"read by {told}; it was kept out {kept} times.{_made_of_it(found)}{more}"
    )


def _made_of_it(found: Reach) -> str:
    """How far derived text went, and how surely; nothing where there is none."""
    derived = found.derived.prompts
    if not derived:
        return ""
    grades = ", ".join(f"{one.prompts} {grade}" for grade, one in found.grades.items())
    return (
        f" {derived} of the prompts have only what was made of it, over up to {found.hops} hops; "
        f"by grade {grades}."
    )
