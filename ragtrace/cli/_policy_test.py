"""``ragtrace policy test``: whether a policy decides as its cases expect."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from ragtrace.cli import _options
from ragtrace.cli._explained import as_json as explanation_as_json
from ragtrace.cli._explained import decided
from ragtrace.cli._line import say
from ragtrace.policy import (
    Coverage,
    Outcome,
    Policy,
    cases_beside,
    coverage,
    read_cases,
    read_policy,
    try_case,
)

__all__ = ["command"]

FAILED_CASES: Final = 1
"""Exit status where a case fails, or too few rules were shown at work."""

Tried = list[tuple[Path, Outcome]]


@click.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("cases", nargs=-1, metavar="[CASES…]", type=click.Path(path_type=Path))
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail where fewer of the rules are shown at work by the cases.",
)
@_options.as_json
def command(file: Path, cases: tuple[Path, ...], min_coverage: float | None, as_json: bool) -> None:
    """Try the policy in FILE on its CASES, by default those beside it (policy.cases.yaml).

    Exit status 0 where all pass, 1 where one fails, 2 where a file cannot be used.
    """
    policy = read_policy(file)
    tried = [
        (path, try_case(policy, case))
        for path in cases or (cases_beside(file),)
        for case in read_cases(path)
    ]
    rules = coverage(policy, [outcome for _, outcome in tried])
    enough = min_coverage is None or rules.percent >= min_coverage
    if as_json:
        click.echo(json.dumps(_as_json(tried, rules), indent=2))
    else:
        _show(file, policy, tried, rules)
        if not enough:
            say(f"expected at least {min_coverage:g} % of the rules")
    if not enough or any(outcome.differences for _, outcome in tried):
        sys.exit(FAILED_CASES)


def _show(file: Path, policy: Policy, tried: Tried, rules: Coverage) -> None:
    if policy.mode == "shadow":
        say(f"{file}: in shadow mode; tried as if it were enforced")
    failed = [(path, outcome) for path, outcome in tried if outcome.differences]
    for path, outcome in failed:
        say(_failure(path, outcome, file))
    say(f"{len(tried) - len(failed)} of {len(tried)} cases pass")
    for rule in rules.unmatched:
        say(f"{file}:{rule.line}: no case matches the rule {rule.id!r}")
    for rule in rules.beaten:
        say(f"{file}:{rule.line}: in every case of the rule {rule.id!r} another decides")
    for labelling in rules.silent:
        kind, _, id = labelling.partition(":")
        say(f"{file}: no case is labelled by the {kind} {id!r}")
    total = len(policy.rules)
    say(f"{len(rules.shown)} of {total} rules at work ({int(rules.percent)} %)")


def _failure(path: Path, outcome: Outcome, file: Path) -> str:
    explanation = outcome.explanation
    said = ", ".join(f"{d.what} {d.expected}" for d in outcome.differences)
    got = ", ".join(f"{d.what} {d.got}" for d in outcome.differences)
    by = decided(explanation.decision, explanation.deciding, str(file))
    who = explanation.audience
    unknown = "" if who.known else f"; the policy has no audience {who.name!r}"
    return (
        f"{path}:{outcome.case.line}: {outcome.case.name}: expected {said}, got {got}; "
        f"{by}: {explanation.decision.reason}{unknown}"
    )


def _as_json(tried: Tried, rules: Coverage) -> dict[str, Any]:
    return {
        "cases": [
            {
                "file": str(path),
                "line": outcome.case.line,
                "name": outcome.case.name,
                "passed": not outcome.differences,
                "differences": [
                    {"what": d.what, "expected": d.expected, "got": d.got}
                    for d in outcome.differences
                ],
                "explanation": explanation_as_json(outcome.explanation),
            }
            for path, outcome in tried
        ],
        "coverage": {
            "percent": rules.percent,
            "shown": [rule.id for rule in rules.shown],
            "beaten": [rule.id for rule in rules.beaten],
            "unmatched": [rule.id for rule in rules.unmatched],
            "silent": list(rules.silent),
        },
    }
