"""``ragtrace vault``: keys of texts, what was shredded, and who read what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from ragtrace import config
from ragtrace.cli import _options
from ragtrace.cli._table import console, moment, table
from ragtrace.errors import StoreError

if TYPE_CHECKING:
    from ragtrace.store import Target

__all__ = ["command"]

KINDS: Final[tuple[Target, ...]] = ("document", "user", "session", "level")
"""What can be shredded, each an option; that of the level is called as in policies."""


@click.group("vault")
def command() -> None:
    """Keys of texts: what there is, what was destroyed, who read what."""


@command.command("status")
@_options.store
@_options.as_json
def _status(store: str, as_json: bool) -> None:
    """Count keys and texts by level."""
    from ragtrace.server import open_vault

    with open_vault(store) as vault:
        levels = vault.state()["levels"]
    if as_json:
        click.echo(json.dumps(levels))
        return
    rows = [(one["level"], one["keys"], one["texts"], one["gone"]) for one in levels]
    console().print(table("vault", ("level", "keys", "texts", "gone"), rows))


@command.command("list")
@_options.store
@_options.as_json
def _list(store: str, as_json: bool) -> None:
    """List what was shredded: when, what, by whom and why."""
    from ragtrace.server import open_vault

    with open_vault(store) as vault:
        told = vault.state()["shreds"]
    if as_json:
        click.echo(json.dumps(told))
        return
    rows = [
        (moment(s["time_ns"]), s["kind"], s["name"], s["texts"], s["by"], s["reason"]) for s in told
    ]
    console().print(table("shredded", ("when", "what", "name", "texts", "by", "why"), rows))


@command.command("shred")
@click.option("--document", metavar="ID", help="A document: its passages.")
@click.option("--user", metavar="U", help="A user: prompts, answers, and the name on rows.")
@click.option("--session", metavar="S", help="A session without a user: the same.")
@click.option("--label", "level", metavar="LEVEL", help="A level: every text on it.")
@click.option("--derived", is_flag=True, help="Also prompts and answers that were made from it.")
@click.option("--by", metavar="WHO", help="Who does it, for the record.")
@click.option("--reason", metavar="WHY", help="Why, for the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say how many texts it is, and change nothing.")
@_options.store
@_options.as_json
def _shred(
    store: str,
    derived: bool,
    by: str | None,
    reason: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **named: str | None,
) -> None:
    """Destroy the keys of texts, so that nothing opens them again, a backup neither."""
    given = [(kind, name) for kind in KINDS if (name := named[kind])]
    if len(given) != 1:
        raise click.UsageError("expected one of --document, --user, --session and --label")
    if not dry_run and (not by or not reason):
        raise click.UsageError("expected --by and --reason, which stay on record")
    from ragtrace.server import open_vault

    ((kind, name),) = given
    with open_vault(store) as vault:
        plan = vault.plan(kind, name, derived=derived)
        count = sum(plan["texts"].values())
        line = f"{count:,} texts, {plan['derived']:,} of them derived"
        if dry_run:
            click.echo(json.dumps(plan) if as_json else f"would shred {line}")
            return
        if not yes:
            click.confirm(f"shred {line}, for ever?", abort=True, err=True)
        told = vault.shred(kind, name, derived=derived, by=by or "", reason=reason or "")
    click.echo(json.dumps(told) if as_json else f"shredded {told['texts']:,} texts: {told['id']}")


@command.command("rotate")
@click.option(
    "--new-key-file",
    type=click.Path(exists=True, dir_okay=False),
    metavar="F",
    help="File with base64 of the new root key.",
)
@click.option("--new-key-command", metavar="CMD", help="Command that prints it.")
@_options.store
@_options.as_json
def _rotate(
    new_key_file: str | None, new_key_command: str | None, store: str, as_json: bool
) -> None:
    """Wrap the keyring with a new root key; texts stay as they are.

    The old key is that of the settings. From then on they are to name the new one.
    """
    from ragtrace.server import server_url
    from ragtrace.store import Store, vault_key

    if (new_key_file is None) == (new_key_command is None):
        raise click.UsageError("expected --new-key-file or --new-key-command")
    given = {config.VAULT_KEY_FILE: new_key_file, config.VAULT_KEY_COMMAND: new_key_command}
    new = vault_key({setting.variable: said for setting, said in given.items() if said})
    assert new is not None  # one of them was given
    url = server_url(store)
    if url is not None:
        raise StoreError(f"a server at {url} has this store open: expected it to be stopped")
    with Store.open(store, vault_key()) as opened:
        entries = opened.rotate(new)
    said = f"{entries:,} entries wrapped with the new key: the old one opens nothing any more"
    click.echo(json.dumps({"entries": entries}) if as_json else said)


@command.command("readings")
@click.option("--since", metavar="30d", help="Only of the last 90s, 2h, 30d …")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 10_000))
@_options.store
@_options.as_json
def _readings(since: str | None, limit: int, store: str, as_json: bool) -> None:
    """List who was given which texts, or refused them; never a text."""
    from ragtrace.server import open_vault

    first = _options.since(since) or 0
    with open_vault(store) as vault:
        found = vault.readings(first, limit)
    if as_json:
        click.echo(json.dumps(found))
        return
    rows = [
        (moment(r["time_ns"]), r["reader"], r["texts"], r["refused"], ", ".join(r["levels"]))
        for r in found
    ]
    console().print(table("readings", ("when", "who", "texts", "refused", "levels"), rows))
