"""``ragtrace evidence``: traces as a signed bundle, and whether one proves what it says."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.progress import Progress

from ragtrace import config
from ragtrace.cli import _options
from ragtrace.cli._evidence_key import command as key
from ragtrace.cli._table import console, moment
from ragtrace.cli._whole_file import write_whole
from ragtrace.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from ragtrace.forensics import EvidenceAsked, PolicyText
    from ragtrace.store import Reader, SealKey, Store

__all__ = ["command"]

TLP: Final = ("clear", "green", "amber", "amber+strict", "red")
"""As in ``ragtrace.forensics``, which is not imported for the sake of a help page."""


@click.group("evidence")
def command() -> None:
    """Put what happened into a bundle that proves it, and check such a bundle."""


command.add_command(key)


@command.command("export")
@click.argument("ids", nargs=-1)
@click.option("--reach", "what", metavar="WHAT", help="Traces that this got into.")
@click.option("--since", help="Traces of the last 90s, 2h, 30d …")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--clearance", metavar="LEVEL", help="Texts up to this level; without it, none.")
@_options.policy
@click.option(
    "--key",
    "key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Private key to sign with, in the place of the store's own.",
)
@click.option("--tlp", type=click.Choice(TLP), default="amber", show_default=True)
@_options.store
@_options.as_json
def _export(
    ids: tuple[str, ...],
    what: str | None,
    since: str | None,
    out: Path,
    clearance: str | None,
    policy: Path | None,
    key_file: Path | None,
    tlp: str,
    store: str,
    as_json: bool,
) -> None:
    """Put the traces IDS, or those of --reach or --since, into a signed bundle."""
    from ragtrace.forensics import EvidenceAsked, signed_by
    from ragtrace.store import SealKey

    if sum(map(bool, (ids, what, since))) != 1:
        raise click.UsageError("expected ids of traces, or --reach, or --since: one of them")
    if clearance is not None and policy is None:
        raise click.UsageError("--clearance needs --policy, which orders the levels")
    if out.exists():
        raise StoreError(f"{out}: is there already")
    signer = SealKey.read(key_file) if key_file is not None else None
    text, levels = _policy(policy, clearance)

    def asked(reader: Reader) -> EvidenceAsked:
        return EvidenceAsked(
            traces=_traces(reader, ids, what, since),
            clearance=clearance or "",
            levels=levels,
            tlp=tlp,  # type: ignore[arg-type]  # click has checked it
            why=(f"reach {what}" if what else f"since {since}" if since else "")[:200],
            policy=text,
        )

    bundle = _bundle(store, asked)
    if signer is not None:
        bundle = signed_by(bundle, signer)
    write_whole(out, [bundle])
    _say(out, bundle, as_json)


@command.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="PUBLIC", help="PEM file, or 64 hex digits.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _verify(file: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Say whether FILE is what the holder of --key signed; exit status 1 where it is not.

    This runs ragtrace/forensics/verify.py, which also runs by itself, without ragtrace.
    """
    from ragtrace.forensics import verify

    given = [part for one in keys for part in ("--key", one)]
    sys.exit(verify.main([str(file), *given, *(["--json"] if as_json else [])]))


@command.command("seal")
@_options.store
@_options.as_json
def _seal(store: str, as_json: bool) -> None:
    """Link what has no entry in a chain yet, and seal it; a running server does so by itself."""
    from ragtrace.server import server_url
    from ragtrace.store import Chain, Store, count_unchained, vault_key

    if server_url(store) is not None:
        raise StoreError("a server has this store open: it links and seals by itself")
    with Store.open(store, vault_key()) as opened:
        chain = Chain(opened, _key_of(store))
        console_ = console(stderr=True)
        with Progress(console=console_, transient=True, disable=not console_.is_terminal) as bar:
            task = bar.add_task("decisions", total=count_unchained(opened))
            added = chain.catch_up(lambda done: bar.update(task, completed=done))
        chain.seal()
    tree = {"chain": chain.id, "added": added, "seq": chain.last.seq, "hash": chain.last.hash}
    line = f"{added:,} decisions linked; chain {chain.id} is sealed up to {chain.last.seq:,}"
    click.echo(json.dumps(tree) if as_json else line)


@command.command("heads")
@_options.store
@_options.as_json
def _heads(store: str, as_json: bool) -> None:
    """Print how far each chain is sealed, signed: to be published where the store is not."""
    from ragtrace.server import open_reader

    with closing(open_reader(store)) as reader:
        heads = reader.heads()
    if as_json:
        click.echo(json.dumps({"heads": [head.as_json() for head in heads]}, indent=2))
        return
    for head in heads:
        click.echo(f"{head.chain}  {head.seq:,}  {head.hash}  {moment(head.sealed_ns)}")


def _bundle(store: str, asked: Callable[[Reader], EvidenceAsked]) -> bytes:
    """The bundle, of the server that has the store open, else made here."""
    from ragtrace.server import Client, server_url
    from ragtrace.store import OWNER, Store, vault_key

    url = server_url(store)
    if url is not None:
        with Client(url, config.READ_TOKEN.value(os.environ)) as client:
            return client.evidence(asked(client))
    with Store.open(store, vault_key()) as opened:
        return _made(opened, store, asked(opened.seen_by(OWNER)))


def _policy(path: Path | None, clearance: str | None) -> tuple[PolicyText | None, tuple[str, ...]]:
    """The policy file as a bundle holds it, and the levels up to a clearance."""
    if path is None:
        return None, ()
    from ragtrace.forensics import PolicyText
    from ragtrace.policy import Files, read_policy

    files = Files()
    policy = read_policy(path, files)
    text = PolicyText(policy.digest, tuple(one.digest for one in files), path.read_text("utf-8"))
    levels = policy.lattice.levels
    if clearance is None:
        return text, ()
    if clearance not in levels:
        raise ConfigError(f"--clearance {clearance}: expected one of {', '.join(levels)}")
    return text, levels[: levels.index(clearance) + 1]


def _traces(
    reader: Reader, ids: Sequence[str], what: str | None, since: str | None
) -> tuple[str, ...]:
    from ragtrace.forensics import MOST_TRACES, reach
    from ragtrace.store import FlowFilter

    if what is not None:
        found = {row.flow.trace_id for row in reach(reader, what).rows}
    elif since is not None:
        where = FlowFilter(since=_options.since(since))
        found = {row.trace_id for row in reader.traces(where, MOST_TRACES + 1)}
    else:
        found = {one if len(one) == 32 else reader.trace(one).trace_id for one in ids}
    if not found:
        raise StoreError(f"evidence: no trace {f'of {what}' if what else 'in this period'}")
    if len(found) > MOST_TRACES:
        raise StoreError(f"evidence: more than {MOST_TRACES:,} traces: expected a shorter period")
    return tuple(sorted(found))


def _made(store: Store, url: str, asked: EvidenceAsked) -> bytes:
    """A bundle that is made here, by who has the store in hand."""
    from ragtrace.forensics import export_evidence
    from ragtrace.store import OWNER, Chain, ChainBrokenError

    key = _key_of(url)
    shown = console(stderr=True)
    try:
        chain: Chain | None = Chain(store, key)
    except ChainBrokenError as error:
        shown.print(f"ragtrace: {error}", markup=False)
        chain = None
    with Progress(console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task("traces", total=len(asked.traces))
        return export_evidence(
            store,
            asked,
            key,
            access=OWNER,
            chain=chain,
            told=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _key_of(url: str) -> SealKey:
    from ragtrace.store import Address, SealKey

    key = SealKey.of_environment(Address.parse(url).path)
    if key is None:
        raise ConfigError(f"evidence: expected {config.SEAL_KEY_FILE.variable} to name a key")
    return key


def _say(out: Path, bundle: bytes, as_json: bool) -> None:
    from ragtrace.forensics import verify

    report = verify.verify(bundle)
    # That nobody vouches for its key is for who receives it to say.
    faults = [f"{one.where}: {one.said}" for one in report.faults if one.kind != "signer"]
    tree = {
        "out": str(out),
        "bytes": len(bundle),
        "traces": report.counts.get("traces", 0),
        "signer": report.signer,
        "faults": faults,
        "notes": report.notes,
    }
    if as_json:
        click.echo(json.dumps(tree))
        return
    click.echo(f"{out}: {tree['traces']} traces, {len(bundle):,} bytes, signed by {report.signer}")
    for line in (*faults, *report.notes):
        click.echo(f"  {line}")
