"""``ragtrace policy``: policy files checked, explained and tested, before they are used."""

from __future__ import annotations

import click

from ragtrace.cli import _policy_check, _policy_explain, _policy_test

__all__ = ["command"]


@click.group("policy")
def command() -> None:
    """Check, explain and test policy files."""


for part in (_policy_check, _policy_explain, _policy_test):
    command.add_command(part.command)
