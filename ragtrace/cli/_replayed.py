"""Replayed: a replayed trace on a terminal: its timeline, flows, decisions and prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from ragtrace.cli._line import printable
from ragtrace.cli._painted import painted
from ragtrace.cli._table import moment, table

if TYPE_CHECKING:
    from rich.console import Console

    from ragtrace.forensics import Candidate, Replay, ReplayStep, Said, StepAgain

__all__ = ["show_replayed"]


def show_replayed(out: Console, found: Replay) -> None:
    """The trace, step by step, with what is decided again where a policy was given."""
    view = found.view
    who = ", ".join(view.audiences) or "nobody named"
    out.print(f"[bold]trace {view.trace_id}[/]  {moment(view.start_ns)}  read by {_plain(who)}")
    for step in found.steps:
        _step(out, step, found.candidate)


def _step(out: Console, step: ReplayStep, candidate: Candidate | None) -> None:
    span, timed = step.step.span, step.timed
    indent = "  " * step.step.depth
    out.print(
        f"{indent}[bold]{_plain(span.name)}[/]  "
        f"+{timed.offset_ms:.1f} ms, {timed.took_ms:.1f} ms  {span.span_id}"
    )
    if step.again is None and (decided := span.attributes.get("ragtrace.decision.action")):
        why = span.attributes.get("ragtrace.decision.reason", "")
        out.print(f"{indent}{_plain(decided)}  {_plain(why)}")
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


def _plain(text: str) -> str:
    return escape(printable(text))
