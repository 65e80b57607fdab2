"""main: finds the command, runs it, and says what went wrong in one line."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final, NoReturn

import click

from ragtrace.errors import MissingDependencyError, RagtraceError

__all__ = ["COMMANDS", "main"]

COMMANDS: Final = (
    "bench",
    "declassify",
    "demo",
    "doctor",
    "evidence",
    "flows",
    "import",
    "index",
    "policy",
    "reach",
    "replay",
    "run",
    "serve",
    "store",
    "trace",
    "vault",
    "whatif",
)
"""Names are fixed; each is ``command`` in the module of that name with an underscore before it."""

FAILED: Final = 2
"""Exit status of every error that is the user's to put right, as click's own usage errors."""


SERVER: Final = frozenset(
    {"chdb", "clickhouse_connect", "cryptography", "fastapi", "httpx", "uvicorn", "zstandard"}
)
"""Packages of the extra ``server``, which commands over the store need."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"ragtrace.cli._{cmd_name}").command
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ragtrace-otel", prog_name="ragtrace")
def _ragtrace() -> None:
    """Which documents, under which trust labels, reached which prompt, and for whom."""


def main() -> None:
    """Run the command line; an error of ragtrace's is one line on stderr and exit status 2."""
    try:
        _ragtrace()
    except RagtraceError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in SERVER:
            raise
        _fail(MissingDependencyError(error.name, "server"))


def _fail(error: RagtraceError) -> NoReturn:
    click.echo(f"ragtrace: {error}", err=True)
    sys.exit(FAILED)
