"""``ragtrace trace``: one trace, step by step, with the prompt where its text was kept."""

from __future__ import annotations

import json
from contextlib import closing

import click

from ragtrace.cli import _options
from ragtrace.cli._replayed import show_replayed
from ragtrace.cli._table import console

__all__ = ["command"]


@click.command("trace")
@click.argument("id")
@_options.store
@_options.as_json
def command(id: str, store: str, as_json: bool) -> None:
    """Show the trace ID (or the only one that begins so): steps, documents, decisions, prompt."""
    from ragtrace.forensics import replay
    from ragtrace.server import open_reader

    with closing(open_reader(store)) as reader:
        found = replay(reader, id)
    if not as_json:
        show_replayed(console(), found)
        return
    said = found.as_json()
    said["prompts"] = {
        step.step.span.attributes["ragtrace.prompt.digest"]: None
        if step.kept.messages is None
        else [[message.role, message.text] for message in step.kept.messages]
        for step in found.steps
        if step.kept is not None
    }
    click.echo(json.dumps(said, indent=2))
