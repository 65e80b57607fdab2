"""An explanation for a reader: as text with a table of rules, and as JSON."""

from __future__ import annotations

from typing import Any

from ragtrace.cli._label import label_as_json
from ragtrace.cli._line import printable, say
from ragtrace.cli._table import console, table
from ragtrace.model import Audience, Decision, Label
from ragtrace.policy import Explanation, Policy, Rule, Standing, Tried

__all__ = ["as_json", "decided", "show"]


def show(policy: Policy, explanation: Explanation, file: str) -> None:
    """Print who labelled the chunk, what became of every rule, and what is decided."""
    chunk = explanation.chunk
    say(f"document {chunk.document.id}, source {chunk.source.id}")
    say(f"label: {_label(explanation.label)}, by {chunk.basis}")
    for part in chunk.ranges:
        say(f"  characters {part.start} to {part.end}: {_label(part.label)}")
    say(f"audience: {_audience(explanation.audience)}")
    if policy.rules:
        rows = [_row(tried) for tried in explanation.tried]
        columns = ("rule", "line", "decides", "result", "why not")
        console().print(table("", columns, rows))
    say(f"lattice: {_standing(explanation)}")
    decision = explanation.decision
    say(f"decision: {decided(decision, explanation.deciding, file)}: {decision.reason}")
    if decision.shadow is not None:
        beside = decision.shadow
        rule = next((t.rule for t in explanation.tried if t.rule.id == beside.rule), None)
        say(f"in shadow: {decided(beside, rule, file)}: {beside.reason}")


def decided(decision: Decision, rule: Rule | None, file: str) -> str:
    """The action and its rule, with the line where the file has one."""
    where = f" ({file}:{rule.line})" if rule is not None and rule.id == decision.rule else ""
    return f"{decision.action} by {decision.rule}{where}"


def as_json(explanation: Explanation) -> dict[str, Any]:
    """All of it, but the text."""
    chunk, audience, deciding = explanation.chunk, explanation.audience, explanation.deciding
    return {
        "document": chunk.document.id,
        "source": chunk.source.id,
        "label": label_as_json(explanation.label),
        "basis": chunk.basis,
        "ranges": [
            {"start": part.start, "end": part.end, "label": label_as_json(part.label)}
            for part in chunk.ranges
        ],
        "audience": {
            "name": audience.name,
            "known": audience.known,
            "clearance": audience.clearance,
            "compartments": sorted(audience.compartments),
            "groups": sorted(audience.groups),
            "principal": audience.principal,
        },
        "rules": [_tried_as_json(tried) for tried in explanation.tried],
        "lattice": _standing_as_json(explanation.standing),
        "deciding": None if deciding is None else {"id": deciding.id, "line": deciding.line},
        "decision": _decision_as_json(explanation.decision),
    }


def _row(tried: Tried) -> tuple[object, ...]:
    why = "; ".join(
        f"{unmet.condition} is {unmet.got or 'empty'}, not {unmet.expected}"
        for unmet in tried.unmet
    )
    if tried.role == "not reached" and not why:
        why = "an earlier rule decides"
    rule = tried.rule
    return printable(rule.id), rule.line, rule.action, tried.role, printable(why)


def _label(label: Label) -> str:
    parts = [label.level, *sorted(label.compartments)]
    if label.readers is not None:
        parts.append(f"for {', '.join(sorted(label.readers)) or 'nobody'}")
    return " + ".join(parts)


def _audience(audience: Audience) -> str:
    unknown = "" if audience.known else ", which the policy does not name"
    held = ", ".join(sorted(audience.compartments))
    return f"{audience.name}{unknown}: cleared for {audience.clearance}" + (
        f", holds {held}" if held else ""
    )


def _standing(explanation: Explanation) -> str:
    standing, level = explanation.standing, explanation.label.level
    if standing.permitted:
        return "permits it"
    faults = []
    if not standing.declared:
        faults.append(f"the policy has no level {level}")
    elif standing.above:
        faults.append(f"{level} is above {explanation.audience.clearance}")
    if standing.missing:
        faults.append(f"{', '.join(sorted(standing.missing))} is not held")
    if standing.unread:
        faults.append("the audience is not among its readers")
    return f"does not permit it: {'; '.join(faults)}"


def _tried_as_json(tried: Tried) -> dict[str, Any]:
    return {
        "id": tried.rule.id,
        "line": tried.rule.line,
        "action": tried.rule.action,
        "mode": tried.rule.mode,
        "role": tried.role,
        "unmet": [
            {"condition": unmet.condition, "expected": unmet.expected, "got": unmet.got}
            for unmet in tried.unmet
        ],
    }


def _standing_as_json(standing: Standing) -> dict[str, Any]:
    return {
        "permitted": standing.permitted,
        "declared": standing.declared,
        "above": standing.above,
        "missing": sorted(standing.missing),
        "unread": standing.unread,
    }


def _decision_as_json(decision: Decision) -> dict[str, Any]:
    return {
        "action": decision.action,
        "rule": decision.rule,
        "reason": decision.reason,
        "mode": decision.mode,
        "shadow": None if decision.shadow is None else _decision_as_json(decision.shadow),
    }
