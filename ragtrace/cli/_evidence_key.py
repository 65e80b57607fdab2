"""``ragtrace evidence key``: the pair of keys that seals chains and signs bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragtrace.cli import _options

if TYPE_CHECKING:
    from ragtrace.store import SealKey

__all__ = ["command"]


@click.group("key")
def command() -> None:
    """Make a key, or show the public half that a verifier needs."""


@command.command("new")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@_options.as_json
def _new(out: Path, as_json: bool) -> None:
    """Write a new Ed25519 key to a file that only its owner can read, and print its public half."""
    from ragtrace.store import SealKey

    _show(SealKey.new(out), as_json)


@command.command("show")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_options.as_json
def _shown(file: Path, as_json: bool) -> None:
    """Print the public half of the key in FILE, in PEM: what `evidence verify --key` takes."""
    from ragtrace.store import SealKey

    _show(SealKey.read(file), as_json)


def _show(key: SealKey, as_json: bool) -> None:
    tree = {"id": key.id, "public": key.public.hex(), "pem": key.public_pem()}
    click.echo(json.dumps(tree) if as_json else key.public_pem(), nl=as_json)
    if not as_json:
        click.echo(f"key {key.id}", err=True)
