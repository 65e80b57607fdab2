"""``ragtrace serve``: takes OTLP in and answers questions about it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ragtrace.cli import _options

__all__ = ["command"]

OFF = "none"
"""What switches gRPC off, in the place of a port."""


def _port(_: click.Context, __: click.Parameter, text: str) -> int | None:
    """A port; 0 for any that is free, ``none`` for no listener.

    Raises:
        click.BadParameter: It is neither.
    """
    if text == OFF:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise click.BadParameter(f"{text[:20]!r}: expected a number from 0 to 65535, or {OFF}")
    return int(text)


_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("serve")
@_options.store
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=4318,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port; 0 for any that is free.",
)
@click.option(
    "--grpc-port",
    default="4317",
    show_default=True,
    callback=_port,
    metavar="N|none",
    help="Port of OTLP over gRPC; 0 for any that is free, none to switch it off.",
)
@click.option("--tls-cert", type=_file, metavar="F", help="Certificate to listen with, in PEM.")
@click.option("--tls-key", type=_file, metavar="F", help="Its private key, in PEM.")
@click.option(
    "--tls-client-ca",
    type=_file,
    metavar="F",
    help="Let in only clients with a certificate of these authorities.",
)
@_options.policy
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy on this machine hands on what others ask: take nobody for local.",
)
@_options.as_json
def command(
    store: str,
    host: str,
    port: int,
    grpc_port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    policy: Path | None,
    behind_proxy: bool,
    as_json: bool,
) -> None:
    """Receive OTLP traces and logs over HTTP and gRPC into the store, until interrupted."""
    from ragtrace.server import Tls, serve
    from ragtrace.store import has_vault_key

    tls = None
    if tls_cert is not None and tls_key is not None:
        tls = Tls(tls_cert, tls_key, tls_client_ca)
    elif tls_cert is not None or tls_key is not None or tls_client_ca is not None:
        raise click.UsageError("TLS takes --tls-cert and --tls-key")
    keeps = has_vault_key()

    def ready(url: str, grpc_url: str | None) -> None:
        if as_json:
            said = {"url": url, "grpc": grpc_url, "store": store, "keeps_text": keeps}
            click.echo(json.dumps(said))
            return
        both = f"{url} and gRPC at {grpc_url}" if grpc_url is not None else url
        kept = "texts are sealed in the vault" if keeps else "without a vault key no text is kept"
        click.echo(f"receiving OTLP at {both} into {store}; {kept}")

    serve(
        store,
        host,
        port,
        grpc_port=grpc_port,
        tls=tls,
        policy=policy,
        behind_proxy=behind_proxy,
        ready=ready,
    )
