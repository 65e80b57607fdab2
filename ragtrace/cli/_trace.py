"""``ragtrace trace``: one trace, step by step, with the prompt where its text was kept."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from ragtrace.cli import _options
from ragtrace.cli._table import console, moment, table
from ragtrace.errors import StoreError, WireError

if TYPE_CHECKING:
    from rich.console import Console

    from ragtrace.forensics import Step
    from ragtrace.model import Prompt
    from ragtrace.store import Reader

__all__ = ["command"]


@click.command("trace")
@click.argument("id")
@_options.store
@_options.as_json
def command(id: str, store: str, as_json: bool) -> None:
    """Show the trace ID (or the only one that begins so): steps, documents, decisions, prompt."""
    from ragtrace.forensics import trace
    from ragtrace.server import open_reader

    with closing(open_reader(store)) as reader:
        view = trace(reader, id)
        prompts = {
            name: _prompt(reader, name)
            for step in view.steps
            if (name := step.span.attributes.get("ragtrace.prompt.digest"))
        }
    if as_json:
        said = view.as_json()
        said["prompts"] = {
            name: [[m.role, m.text] for m in prompt.messages] if prompt else None
            for name, prompt in prompts.items()
        }
        click.echo(json.dumps(said, indent=2))
        return
    out = console()
    who = ", ".join(view.audiences) or "nobody named"
    out.print(f"[bold]trace {view.trace_id}[/]  {moment(view.start_ns)}  read by {escape(who)}")
    for step in view.steps:
        _show(out, step, prompts)


def _show(out: Console, step: Step, prompts: dict[str, Prompt | None]) -> None:
    span = step.span
    took = (span.end_ns - span.start_ns) / 1e6
    indent = "  " * step.depth
    decided = span.attributes.get("ragtrace.decision.action", "")
    why = span.attributes.get("ragtrace.decision.reason", "")
    out.print(f"{indent}[bold]{escape(span.name)}[/]  {took:.1f} ms  {decided}  {escape(why)}")
    if step.flows:
        out.print(
            table(
                "",
                ("rank", "document", "source", "level", "by", "verdict", "decision", "rule"),
                [
                    (f.rank, f.document, f.source, f.level, f.basis, f.verdict, f.action, f.rule)
                    for f in step.flows
                ],
            )
        )
    name = span.attributes.get("ragtrace.prompt.digest")
    if name:
        prompt = prompts.get(name)
        if prompt is None:
            out.print(f"{indent}prompt {name}: its text is not in the vault, or not to be opened")
        else:
            out.print(f"{indent}prompt {name}: put together again, digest proved")
            for message in prompt.messages:
                out.print(f"{indent}  [cyan]{escape(message.role)}[/] {escape(message.text)}")


def _prompt(reader: Reader, name: str) -> Prompt | None:
    """The prompt under its digest, where its texts are in the vault, can be read, and prove it."""
    from ragtrace.wire import Rope, unweave

    try:
        rope_text = reader.texts([name]).get(name)
        if rope_text is None:
            return None
        rope = Rope.from_json(rope_text)
        return unweave(rope, reader.texts(rope.references))
    except (StoreError, WireError):
        return None
