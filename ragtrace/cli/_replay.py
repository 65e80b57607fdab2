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
from ragtrace.cli._replayed import show_replayed
from ragtrace.cli._table import console
from ragtrace.config import POLICY

if TYPE_CHECKING:
    from ragtrace.forensics import Replay

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
        out = console()
        show_replayed(out, found)
        for line in _summary(found):
            out.print(line)
    if found.defects:
        sys.exit(DEFECT)


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
