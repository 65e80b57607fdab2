"""``ragtrace store``: backups, migrations, retention and health of a store."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import Progress

from ragtrace import config
from ragtrace.cli import _options, _store_adopt
from ragtrace.cli._table import console, moment, table
from ragtrace.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from ragtrace.store import ChainState

__all__ = ["command"]


@click.group("store")
def command() -> None:
    """Keep a store: back it up, migrate it, say how long what is kept."""


@command.command("stats")
@_options.store
@_options.as_json
def _stats(store: str, as_json: bool) -> None:
    """Count what is stored."""
    from ragtrace.server import open_reader

    with closing(open_reader(store)) as reader:
        stats = reader.stats()
    if as_json:
        click.echo(json.dumps(stats.as_json()))
        return
    shown = stats.as_json()
    for name in ("first_ns", "last_ns"):
        shown[name.removesuffix("_ns")] = moment(shown.pop(name)) if stats.spans else "-"
    console().print(table("", ("", "stored"), shown.items()))


@command.command("check")
@_options.store
@_options.as_json
def _check(store: str, as_json: bool) -> None:
    """Say whether the store and its chains of decisions are whole; exit status 1 where not."""
    from ragtrace.server import Client, server_url
    from ragtrace.store import Store, check_chains, count_unchained, vault_key

    url = server_url(store)
    with _working("reading the chains") as bar:
        task = bar.task_ids[0]
        if url is not None:
            with Client(url, config.READ_TOKEN.value(os.environ)) as client:
                broken, (chains, unchained) = client.broken_parts(), client.check_chains()
        else:
            with Store.open(store, vault_key()) as opened:
                broken = opened.broken_parts()
                chains = check_chains(
                    opened, lambda _, done, all_: bar.update(task, completed=done, total=all_)
                )
                unchained = count_unchained(opened)
    faults = [f"chain {one.chain}: {fault}" for one in chains for fault in one.faults]
    if broken:
        faults.append(f"{broken} damaged parts were set aside: what they held is lost")
    tree = {
        "broken_parts": broken,
        "chains": [one.as_json() for one in chains],
        "unchained": unchained,
        "ok": not faults,
    }
    _say(tree, "\n".join([*(faults or ["whole"]), *_chained(chains, unchained)]), as_json)
    sys.exit(1 if faults else 0)


def _chained(chains: Sequence[ChainState], unchained: int) -> Iterator[str]:
    for one in chains:
        sealed = f", up to {one.sealed:,} at {moment(one.sealed_ns)}" if one.sealed else ""
        yield f"chain {one.chain}: {one.entries:,} entries, sealed{sealed or ': none'}"
    if unchained:
        yield f"{unchained:,} decisions have no entry in a chain"


@command.command("backup")
@click.argument("dest", type=click.Path(path_type=Path))
@_options.store
@_options.as_json
def _backup(dest: Path, store: str, as_json: bool) -> None:
    """Copy everything to DEST, a new directory or .zip; a running server makes the copy itself.

    The texts in it stay sealed: keep the vault's key apart from it.
    """
    from ragtrace.server import Client, server_url
    from ragtrace.store import Store

    url, path = server_url(store), dest.expanduser().absolute()
    with _working("copying"):
        if url is not None:
            with Client(url, config.READ_TOKEN.value(os.environ)) as client:
                size = client.back_up(path)
        else:
            with Store.open(store) as opened:
                size = opened.back_up(path)
    _say({"to": str(path), "bytes": size}, f"{size:,} bytes in {path}", as_json)


@command.command("restore")
@click.argument("src", type=click.Path(path_type=Path))
@_options.store
@_options.as_json
def _restore(src: Path, store: str, as_json: bool) -> None:
    """Fill an empty store from SRC; one that has rows is left as it is."""
    from ragtrace.store import OWNER, Store

    _nobody_serves(store)
    path = src.expanduser().absolute()
    with _working("restoring"), Store.open(store) as opened:
        version = opened.restore(path)
        spans = opened.stats(access=OWNER).spans
    said = {"from": str(path), "schema": version, "spans": spans}
    _say(said, f"{spans:,} spans restored, schema {version}", as_json)


@command.command("migrate")
@_options.store
@_options.as_json
def _migrate(store: str, as_json: bool) -> None:
    """Bring the schema up to date; every other command and the server do so too."""
    from ragtrace.store import Store

    _nobody_serves(store)
    before, after = Store.migrate(store)
    _say({"before": before, "after": after}, f"schema {before} before, {after} now", as_json)


@command.command("retain")
@click.argument("rules", required=False)
@_options.store
@_options.as_json
def _retain(rules: str | None, store: str, as_json: bool) -> None:
    """Keep to RULES (public=400d,*=180d) from now on; RAGTRACE_RETENTION unless given."""
    from ragtrace.store import Retention, Store

    text = rules if rules is not None else config.RETENTION.value(os.environ)
    if text is None:
        raise ConfigError("store retain: expected rules, or RAGTRACE_RETENTION to be set")
    retention = Retention.parse(text)
    _nobody_serves(store)
    with Store.open(store) as opened:
        opened.retain(retention)
    days = retention.as_json()
    lines = ", ".join(f"{name} {number} days" for name, number in days.items()) or "for ever"
    _say({"days": days}, f"kept: {lines}", as_json)


@command.command("attach")
@click.argument("url")
@_options.as_json
def _attach(url: str, as_json: bool) -> None:
    """Add flows and decisions to the database at URL that a Collector fills with spans."""
    from ragtrace.store import Store

    console_ = console(stderr=True)
    with Progress(console=console_, transient=True, disable=not console_.is_terminal) as bar:
        task = bar.add_task("days", total=None)
        days = Store.attach(url, lambda done, total: bar.update(task, completed=done, total=total))
    _say({"days": days}, f"attached; flows derived for {days} days of spans", as_json)


def _nobody_serves(store: str) -> None:
    from ragtrace.server import server_url

    url = server_url(store)
    if url is not None:
        raise StoreError(f"a server at {url} has this store open: expected it to be stopped")


def _working(what: str) -> Progress:
    shown = console(stderr=True)
    bar = Progress(console=shown, transient=True, disable=not shown.is_terminal)
    bar.add_task(what, total=None)
    return bar


def _say(tree: dict[str, object], line: str, as_json: bool) -> None:
    click.echo(json.dumps(tree) if as_json else line)


command.add_command(_store_adopt.command)
