"""``ragtrace doctor``: what is covered in this environment, what is not, and what is amiss."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from typing import Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._doctor_backend import backend_findings
from ragtrace.cli._doctor_frameworks import Framework, frameworks, watch, without_integration
from ragtrace.cli._doctor_settings import policy_findings, setting_findings
from ragtrace.cli._doctor_tracers import Tracer, tracers
from ragtrace.cli._finding import Finding
from ragtrace.cli._line import printable, say
from ragtrace.config import CONTENT, POLICY
from ragtrace.errors import ConfigError

__all__ = ["command"]

AMISS: Final = 1
"""Exit status where something is not covered, or something that is required is missing."""

MARKS: Final = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


@click.command("doctor")
@click.option("--policy", envvar=POLICY.variable, metavar="F", help=POLICY.help)
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import this module of the application first, so that its classes are looked at.",
)
@click.option("--offline", is_flag=True, help="Ask neither the back end nor the shared ledger.")
@_options.as_json
def command(policy: str | None, modules: Sequence[str], offline: bool, as_json: bool) -> None:
    """Say what is covered in this environment, and what is not.

    Exit status 0 where all is well, 1 where something is not covered or is missing, 2 where the
    command cannot be carried out.
    """
    with _quiet():
        watch()
        _import(modules)
        known, others = frameworks(), list(tracers())
    findings = _findings(policy, offline, known, others)
    if as_json:
        click.echo(json.dumps(_as_json(findings, known, others), indent=2))
    else:
        _show(findings)
    if any(one.status == "wrong" for one in findings):
        sys.exit(AMISS)


def _findings(
    policy: str | None, offline: bool, known: Sequence[Framework], others: Sequence[Tracer]
) -> list[Finding]:
    found = [finding for one in known for finding in one.findings()]
    found += without_integration()
    found += [other.finding() for other in others]
    found += policy_findings(policy)
    found += setting_findings(offline=offline)
    if not offline:
        found += backend_findings(texts=_exports_texts())
    return found


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.about != "coverage":
            say(f"{MARKS[finding.status]} {finding.about}: {finding.name}: {finding.said}")
    uncovered = [finding for finding in findings if finding.about == "coverage"]
    say("Not covered:" if uncovered else "Not covered: nothing that is known of")
    for finding in uncovered:
        say(f"{MARKS[finding.status]} {finding.name}: {finding.said}")
    amiss = sum(finding.status == "wrong" for finding in findings)
    say(f"{amiss} to put right" if amiss else "all is well")


def _as_json(
    findings: Sequence[Finding], known: Sequence[Framework], others: Sequence[Tracer]
) -> dict[str, Any]:
    return {
        "ok": all(finding.status != "wrong" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "not_covered": [asdict(one) for one in findings if one.about == "coverage"],
        "frameworks": [asdict(framework) for framework in known],
        "tracers": [asdict(tracer) for tracer in others],
    }


def _import(modules: Sequence[str]) -> None:
    """The application's own modules, as ``python -m`` would find them."""
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in modules:
        try:
            import_module(name)
        except Exception as error:
            why = f"cannot be imported: {type(error).__name__}: {error}"
            raise click.UsageError(f"--import {name}: {printable(why)}") from None


def _exports_texts() -> bool:
    try:
        return CONTENT.value(os.environ)
    except ConfigError:  # which is a finding of its own
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """What is not covered is said below, and not twice."""
    log = logging.getLogger("ragtrace")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
