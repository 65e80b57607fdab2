"""``ragtrace whatif``: every stored flow judged under a policy that is not in force yet."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._line import printable
from ragtrace.cli._table import console, table

if TYPE_CHECKING:
    from ragtrace.store import FlowFilter

__all__ = ["command"]

DEFECT: Final = 1
"""Exit status where the engine and the judge do not agree about a flow."""
SAMPLE: Final = 1000


@click.command("whatif")
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="Policy file under which the flows are judged, as if it were enforced.",
)
@click.option(
    "--sample",
    default=SAMPLE,
    show_default=True,
    type=click.IntRange(0, 100_000),
    metavar="N",
    help="Flows that are judged in Python as well, to prove the rest.",
)
@_options.filters
@_options.store
@_options.as_json
def command(
    policy: Path, sample: int, store: str, as_json: bool, since: str | None, **narrow: Any
) -> None:
    """Say what a policy would have decided about every flow that is stored.

    Newly blocked and newly allowed, by source, audience, application and rule. The exit status
    is 1 where the engine and the judge disagree about a flow of the sample.
    """
    from ragtrace.store import FlowFilter

    where = FlowFilter(since=_options.since(since), **narrow)
    found = _asked(policy, where, sample, store)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _show(found)
    if found["differences"]:
        sys.exit(DEFECT)


def _asked(policy: Path, where: FlowFilter, sample: int, store: str) -> dict[str, Any]:
    from ragtrace.forensics import Candidate, what_if
    from ragtrace.server import Client, open_reader

    candidate = Candidate.read(policy)  # also where a server judges: it says what is wrong, here
    with closing(open_reader(store)) as reader:
        if isinstance(reader, Client):
            return reader.what_if(policy.read_bytes(), where, sample=sample)
        return what_if(reader, candidate, where, sample=sample).as_json()


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    for name, title in (
        ("by_rule", "rule"),
        ("by_source", "source"),
        ("by_audience", "audience"),
        ("by_app", "application"),
    ):
        if not found[name]:
            continue
        columns = (title, "changed", "newly blocked", "newly allowed")
        out.print(
            table(
                "",
                columns,
                [
                    (_named(one), one["changed"], one["newly_blocked"], one["newly_allowed"])
                    for one in found[name]
                ],
            )
        )
    if found["samples"]:
        out.print(
            table(
                "",
                ("trace", "source", "audience", "then", "now", "rule", "flows"),
                [
                    (
                        one["trace_id"],
                        *map(printable, (one["source"], one["audience"])),
                        *(one["before"], one["after"], printable(one["rule"]), one["flows"]),
                    )
                    for one in found["samples"]
                ],
            )
        )
    for line in _sentences(found):
        out.print(line, markup=False)


def _named(one: Mapping[str, Any]) -> str:
    line = one.get("line")
    return printable(one["name"]) + (f", line {line}" if line is not None else "")


def _sentences(found: Mapping[str, Any]) -> list[str]:
    said = [
        f"Of {found['flows']} flows {found['judged']} were judged: {found['newly_blocked']} would "
        f"newly be kept out, {found['newly_allowed']} newly be let in.",
        f"{found['settled']} are as they are by what else was in their prompt, by what was told "
        "before, or because judging failed: about these no policy is asked by itself.",
    ]
    if found["shared"]:
        said.append(
            f"{found['shared']} of those that change share their passages with other chunks, and "
            "may be let off by these: replay tells."
        )
    if found["left_out"]:
        said.append(f"{found['left_out']} flows are of too many kinds, and were left out.")
    if found["engine"] == "python":
        said.append("A rule asks in CEL or Cedar: flows were judged in Python, kind by kind.")
    else:
        said.append(
            f"Judged in Python as well: {found['sampled']}; "
            f"differences: {len(found['differences'])}"
            + ("." if not found["differences"] else ". THIS IS A DEFECT.")
        )
    return said
