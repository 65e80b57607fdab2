"""``ragtrace policy check``: whether policy files can be used, and what to look at again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._line import say
from ragtrace.cli._main import FAILED
from ragtrace.errors import PolicyFileError
from ragtrace.policy import Concern, LinedYaml, Policy, lint, read_policy

__all__ = ["command"]

WARNED: Final = 1
"""Exit status of ``--strict`` where there is something to look at again."""

DIGEST_SHOWN: Final = 16
"""Characters of a digest in the text; --json gives all."""


@click.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit status 1 where there are warnings.")
@_options.as_json
def command(paths: tuple[Path, ...], strict: bool, as_json: bool) -> None:
    """Say what each policy FILE holds, and warn of what its author may not mean.

    Exit status 0 where all can be used, 1 with --strict and a warning, 2 where one cannot.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        try:
            policy, concerns = _read(path)
        except PolicyFileError as error:
            say(f"ragtrace: {error}", err=True)
            found.append({"file": str(path), "usable": False, "error": str(error)})
            continue
        found.append({"file": str(path), "usable": True, **_as_json(policy, concerns)})
        if not as_json:
            _show(path, policy, concerns)
    if as_json:
        click.echo(json.dumps({"files": found}, indent=2))
    if not all(one["usable"] for one in found):
        sys.exit(FAILED)
    if strict and any(one["warnings"] for one in found):
        sys.exit(WARNED)


def _read(path: Path) -> tuple[Policy, tuple[Concern, ...]]:
    policy = read_policy(path)
    return policy, lint(policy, LinedYaml.parse(path.read_bytes(), str(path)))


def _show(path: Path, policy: Policy, concerns: tuple[Concern, ...]) -> None:
    audiences = [f"{one.name} ({one.clearance})" for one in policy.audiences.values()]
    rules = [_rule(rule.id, rule.action, rule.mode) for rule in policy.rules]
    say(f"{path}: mode {policy.mode}, digest {policy.digest[:DIGEST_SHOWN]}")
    say(f"  levels: {' < '.join(policy.lattice.levels)}")
    say(f"  audiences: {', '.join(audiences)}")
    say(f"  rules: {', '.join(rules) or 'none'}; otherwise {policy.otherwise}")
    for concern in concerns:
        say(f"{path}:{concern.line}: warning: {concern.sentence} [{concern.id}]")


def _rule(id: str, action: str, mode: str) -> str:
    return f"{id} ({action})" if mode == "enforce" else f"{id} ({action}, in shadow)"


def _as_json(policy: Policy, concerns: tuple[Concern, ...]) -> dict[str, Any]:
    return {
        "mode": policy.mode,
        "digest": policy.digest,
        "levels": list(policy.lattice.levels),
        "audiences": {one.name: one.clearance for one in policy.audiences.values()},
        "rules": [
            {"id": rule.id, "action": rule.action, "mode": rule.mode, "line": rule.line}
            for rule in policy.rules
        ],
        "otherwise": policy.otherwise,
        "warnings": [
            {"id": concern.id, "line": concern.line, "sentence": concern.sentence}
            for concern in concerns
        ],
    }
