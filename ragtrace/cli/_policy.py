"""``ragtrace policy``: policy files checked, explained, tested and used on texts beforehand."""

from __future__ import annotations

import click

from ragtrace.cli import _policy_check, _policy_explain, _policy_label, _policy_test

__all__ = ["command"]


@click.group("policy")
def command() -> None:
    """Check, explain and test policy files, and label texts by them."""


for part in (_policy_check, _policy_explain, _policy_label, _policy_test):
    command.add_command(part.command)
