"""``ragtrace bench``: what ragtrace costs and how well it works, measured on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click
from rich.progress import Progress, TaskID

from ragtrace.cli import _options
from ragtrace.cli._table import console, table

if TYPE_CHECKING:
    from ragtrace.testing.attribution import Material
    from ragtrace.testing.bench import Row

__all__ = ["command"]

SECTIONS: Final = ("speed", "precision", "recall", "guard", "corpus")
"""As in ``ragtrace.testing.attribution``, which is not imported for the sake of a help page."""

INGEST: Final = ("speed", "crash", "disk", "questions")
"""As in ``ragtrace.testing.ingest``."""

OVERHEAD: Final = ("made", "sent", "more", "stream", "llamaindex", "delivery", "import")
"""As in ``ragtrace.testing.overhead``."""

FORMATS: Final = (".svg", ".png")


@click.group("bench")
def command() -> None:
    """Measure ragtrace on this machine, beside its bars."""


@command.command("attribution")
@click.option(
    "--data",
    envvar="RAGTRACE_TEST_DATA",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Documents and answers to measure on; without it those beside the checkout, if any, "
    "else generated prose.",
)
@click.option("--quick", is_flag=True, help="A minute or two, with wider margins of error.")
@click.option("--only", type=click.Choice(SECTIONS), multiple=True, help="Only this section.")
@click.option("--chunks", type=click.IntRange(1), help="Chunks in the corpus index.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw time over size into FILE.svg or FILE.png.",
)
@_options.as_json
def _attribution(
    data: Path | None,
    quick: bool,
    only: tuple[str, ...],
    chunks: int | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Measure the matcher, the streaming guard and the corpus index."""
    from ragtrace.testing.attribution import FULL, QUICK, Session, check_plot, draw, measure

    if plot is not None:
        _check(plot, only)
        check_plot()
    effort = QUICK if quick else FULL
    if chunks is not None:
        effort = replace(effort, chunks=chunks)
    rows: list[Row] = []
    teller = _Teller()
    session = Session(_material(data, teller), effort, teller)
    with teller:
        for section in only or SECTIONS:
            rows += measure(session, section)
    if plot is not None:
        draw(rows, plot)
    _say(rows, as_json)


@command.command("policy")
@click.option("--quick", is_flag=True, help="A few seconds, with wider margins of error.")
@_options.as_json
def _policy(quick: bool, as_json: bool) -> None:
    """Measure a decision beside other policy engines, and what a shared ledger adds."""
    from ragtrace.testing.policy import FULL, QUICK, measure, measure_sharing

    teller = _Teller()
    with teller:
        effort = QUICK if quick else FULL
        rows = [*measure(effort, teller), *measure_sharing(effort.turns, teller)]
    _say(rows, as_json)


@command.command("ingest")
@click.option("--quick", is_flag=True, help="A minute or two, with wider margins of error.")
@click.option("--only", type=click.Choice(INGEST), multiple=True, help="Only this section.")
@click.option("--seconds", type=click.IntRange(1), help="Of load, in the section speed.")
@click.option("--flows", type=click.IntRange(1), help="Stored in the section questions.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the store of the section questions stays, to be asked again.",
)
@_options.as_json
def _ingest(
    quick: bool,
    only: tuple[str, ...],
    seconds: int | None,
    flows: int | None,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Measure how fast telemetry is taken in, survives a crash, lies on disk and is found again."""
    from ragtrace.testing.ingest import FULL, QUICK, measure

    effort = QUICK if quick else FULL
    if seconds is not None:
        effort = replace(effort, seconds=seconds)
    if flows is not None:
        effort = replace(effort, flows=flows)
    if keep is not None:
        effort = replace(effort, keep=keep)
    rows: list[Row] = []
    teller = _Teller()
    with teller:
        for section in only or INGEST:
            rows += measure(section, effort, teller)
    _say(rows, as_json)


@command.command("overhead")
@click.option("--quick", is_flag=True, help="A few minutes, with wider margins of error.")
@click.option("--only", type=click.Choice(OVERHEAD), multiple=True, help="Only this section.")
@_options.as_json
def _overhead(quick: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Measure what tracing costs an application, beside other tracers of the same one."""
    from ragtrace.testing.overhead import FULL, QUICK, measure

    rows: list[Row] = []
    teller = _Teller()
    with teller:
        for section in only or OVERHEAD:
            rows += measure(section, QUICK if quick else FULL, teller)
    _say(rows, as_json)


@command.command("forensics")
@click.option(
    "--flows", type=click.IntRange(1), help="Of the largest store; 10 million unless said."
)
@click.option("--quick", is_flag=True, help="A minute or two, with smaller stores.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the stores stay, to be asked again.",
)
@_options.as_json
def _forensics(flows: int | None, quick: bool, keep: Path | None, as_json: bool) -> None:
    """Measure how long the questions of an incident take, over stores of growing size."""
    from ragtrace.testing.forensics import FULL, QUICK, Effort, measure

    effort = QUICK if quick else FULL
    if flows is not None:
        effort = Effort.up_to(flows, effort.times)
    teller = _Teller()
    with teller:
        rows = list(measure(replace(effort, keep=keep), teller))
    _say(rows, as_json)


def _check(plot: Path, only: Sequence[str]) -> None:
    if plot.suffix not in FORMATS:
        raise click.BadParameter(f"{plot}: expected a name in {' or '.join(FORMATS)}")
    if only and "speed" not in only:
        raise click.BadParameter("--plot draws what the section speed measures")
    if not plot.absolute().parent.is_dir():
        raise click.BadParameter(f"{plot}: no such directory")


def _material(data: Path | None, teller: _Teller) -> Material:
    from ragtrace.testing.attribution import data_beside_checkout, generated, read_material

    found = data or data_beside_checkout()
    if found is not None:
        return read_material(found)
    teller.note("no --data: figures of quality are of generated prose, which is easier than real")
    return generated()


def _say(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"rows": [row.as_json() for row in rows]}, indent=2))
    else:
        _show(rows)


def _show(rows: Sequence[Row]) -> None:
    from ragtrace.testing.bench import missed, sheets

    out = console()
    for sheet in sheets(rows):
        out.print(table("", sheet.columns, sheet.lines))
    bars = sum(row.bar is not None for row in rows)
    failed = missed(rows)
    out.print(f"{bars - len(failed)} of {bars} bars cleared", markup=False)
    for row in failed:
        out.print(f"missed: {row.name}", markup=False)


class _Teller:
    """Draws how far the bench is on stderr, and says what a reader has to know."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        # Where nobody watches, a bar would be an empty line among the notes.
        watched = self._console.is_terminal
        self._bar = Progress(console=self._console, transient=True, disable=not watched)
        self._task: TaskID | None = None
        self._what = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def progress(self, what: str, done: int, total: int) -> None:
        """Each thing that is measured has a bar, in the place of the one before."""
        if what != self._what or self._task is None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._what, self._task = what, self._bar.add_task(what, total=total or None)
        self._bar.update(self._task, completed=done)

    def note(self, text: str) -> None:
        """One line, above the bar."""
        self._console.print(f"ragtrace: {text}", markup=False)
