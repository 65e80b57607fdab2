"""``ragtrace store adopt``: what other tracers have written to the store becomes as ours is."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.progress import Progress

from ragtrace.cli import _options
from ragtrace.cli._table import console
from ragtrace.errors import StoreError

__all__ = ["command"]


@click.command("adopt")
@click.option("--since", metavar="30d", help="Only traces of the last 90s, 2h, 30d …")
@_options.policy
@_options.store
@_options.as_json
def command(since: str | None, policy: Path | None, store: str, as_json: bool) -> None:
    """Adopt spans that a Collector has stored: label, attribute, and seal their texts.

    Without the vault's key their texts are removed, and only digests stay.
    """
    from ragtrace.policy import read_policy
    from ragtrace.server import Adopter, adopt_stored, server_url
    from ragtrace.store import Store, vault_key

    labels = read_policy(policy) if policy is not None else None
    url = server_url(store)
    if url is not None:
        raise StoreError(f"a server at {url} has this store open: expected it to be stopped")
    shown = console(stderr=True)
    with (
        Store.open(store, vault_key()) as opened,
        Progress(console=shown, transient=True, disable=not shown.is_terminal) as bar,
    ):
        task = bar.add_task("traces", total=None)
        count = adopt_stored(
            opened,
            Adopter(labels),
            _options.since(since) or 0,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
        keeps = opened.keeps_text
    kept = "their texts are in the vault" if keeps else "without a key their texts are not kept"
    said = {"spans": count, "keeps_text": keeps}
    click.echo(json.dumps(said) if as_json else f"{count} spans adopted; {kept}")
