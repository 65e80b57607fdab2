"""``ragtrace replay``: the prompts of a trace rebuilt and proved, and judged again."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.markup import escape

from ragtrace.cli import _options, _rerun
from ragtrace.cli._against import show_against
from ragtrace.cli._line import printable
from ragtrace.cli._painted import painted
from ragtrace.cli._table import console, moment, table
from ragtrace.config import POLICY

if TYPE_CHECKING:
    from rich.console import Console

    from ragtrace.forensics import Candidate, Replay, ReplayStep, Said, StepAgain

__all__ = ["command"]

DEFECT: Final = 1
"""Exit status where the policy that judged now says something else."""


@click.command("replay")
@click.argument("id")
@click.option(
    "--policy",
    envvar=POLICY.variable,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="Policy file that judges again; without it, prompts are only rebuilt.",
)
@click.option("--rerun", "again", is_flag=True, help="Put the prompt to a model again.")
@_rerun.options
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    metavar="INDEX",
    help="Compare what was retrieved with a corpus index, or with files of documents, of today.",
)
@_options.store
@_options.as_json
def command(
    id: str,
    policy: Path | None,
    again: bool,
    against: Path | None,
    store: str,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Rebuild what the trace ID (or TRACE/SPAN) has shown to models, and judge it again.

    Under the policy that judged then, the same must be decided: anything else is a defect, and
    the exit status is 1. Under another policy, what changes is shown, and why.

    With --rerun the recorded prompt is sent to a live model, as it was and without documents. What
    would leave for where is said first.
    """
    from ragtrace.forensics import Candidate, replay
    from ragtrace.server import open_reader

    if again and against is not None:
        raise click.UsageError("--against: expected without --rerun")
    if not again and (wanted["endpoint"] or wanted["without"] or wanted["leave_one_out"]):
        raise click.UsageError("--endpoint, --without, --leave-one-out: expected with --rerun")
    candidate = Candidate.read(policy) if policy is not None else None
    with closing(open_reader(store)) as reader:
        if again:
            _rerun.run(reader, id, _rerun.Wanted(**wanted), candidate, as_json=as_json)
            return
        if against is not None:
            judge = None if candidate is None else candidate.policy
            show_against(reader, id, against, judge, as_json=as_json)
            return
        found = replay(reader, id, candidate)
    if as_json:
        click.echo(json.dumps(found.as_json(texts=True), indent=2))
    else:
        _show(console(), found)
    if found.defects:
        sys.exit(DEFECT)


def _show(out: Console, found: Replay) -> None:
    view = found.view
    who = ", ".join(view.audiences) or "nobody named"
    out.print(f"[bold]trace {view.trace_id}[/]  {moment(view.start_ns)}  read by {_plain(who)}")
    for step in found.steps:
        _step(out, step, found.candidate)
    for line in _summary(found):
        out.print(line)


def _step(out: Console, step: ReplayStep, candidate: Candidate | None) -> None:
    span, timed = step.step.span, step.timed
    indent = "  " * step.step.depth
    out.print(
        f"{indent}[bold]{_plain(span.name)}[/]  "
        f"+{timed.offset_ms:.1f} ms, {timed.took_ms:.1f} ms  {span.span_id}"
    )
    if step.again is not None:
        _again(out, step.again)
    elif step.step.flows:
        out.print(
            table(
                "",
                ("rank", "score", "document", "source", "level", "verdict", "decision", "rule"),
                [
                    (
                        *(f.rank, f.score, *map(printable, (f.document, f.source, f.level))),
                        *(f.verdict, f.action, printable(f.rule)),
                    )
                    for f in step.step.flows
                ],
            )
        )
    _prompt(out, step, candidate)


def _again(out: Console, again: StepAgain) -> None:
    if again.flows:
        columns = ("rank", "score", "document", "level", "verdict", "then", "now", "why")
        out.print(
            table(
                "",
                columns,
                [
                    (
                        *(one.flow.chunk.rank, one.flow.chunk.score),
                        *map(printable, (one.flow.chunk.document.id, one.level)),
                        one.flow.attribution.verdict if one.flow.attribution else "",
                        one.before.action if one.before else "",
                        one.after.action if one.after else "?",
                        printable(one.unjudged or _why(one.after)),
                    )
                    for one in again.flows
                ],
            )
        )
    then = f"{again.before.action} by {again.before.rule}" if again.before else "nobody decided"
    now = f"{again.after.action} by {_why(again.after)}" if again.after else again.unjudged
    if again.after is None and not again.unjudged:
        now = "nothing to decide about"
    style = "bold red" if again.defect else "yellow" if again.changed else "green"
    out.print(f"[{style}]then: {_plain(then)}; now: {_plain(now)}[/]")


def _why(said: Said | None) -> str:
    if said is None:
        return ""
    where = f", line {said.line}" if said.line is not None else ""
    return f"{said.rule}{where}: {said.reason}"


def _prompt(out: Console, step: ReplayStep, candidate: Candidate | None) -> None:
    from ragtrace.forensics import paint

    kept = step.kept
    if kept is None:
        return
    name = step.step.span.attributes["ragtrace.prompt.digest"]
    if kept.proved:
        out.print(f"prompt {name}: put together again, digest proved")
    else:
        out.print(f"[yellow]prompt {name}: not proved[/]")
    for one in kept.missing:
        out.print(f"[yellow]{one.what} {one.digest}: {_plain(one.why)}[/]")
    rank = candidate.policy.lattice.rank if candidate is not None else _as_one
    messages = paint(step.step.flows, kept.rope, kept.texts, rank=rank, readable=lambda level: True)
    for line in painted(messages) if kept.rope is not None else ():
        out.print(line)


def _as_one(level: str) -> int:
    """Without a policy nobody knows which level is the stricter."""
    return 0


def _summary(found: Replay) -> list[str]:
    counts = found.as_json()["counts"]
    said = [f"{counts['proved']} of {counts['prompts']} prompts were rebuilt and proved."]
    if found.candidate is None:
        return [*said, "No policy was given, so nothing was judged again."]
    name, digest = printable(found.candidate.name), found.candidate.policy.digest
    said.append(
        f"{counts['judged']} steps were judged again under {escape(name)} ({digest[:12]}): "
        f"{counts['changed']} would be decided otherwise, {counts['unjudged']} cannot be judged "
        "whole."
    )
    if found.defects:
        said.append(
            f"[bold red]DEFECT: of {counts['defects']} steps, the very policy that judged them "
            "now says something else.[/]"
        )
    return said


def _plain(text: str) -> str:
    return escape(printable(text))
